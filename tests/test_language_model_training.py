"""Fine-tuning of language models: the published recipes, the prompts, that a run resumes, and that its result loads."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from tiny_bundled import ANIMALS, COLOURS
from tiny_models import tiny

from answerspace import Embedder
from answerspace.cli.main import run as command
from answerspace.errors import InputError
from answerspace.training.dev_retrieval import retrieval_accuracy, retrieval_rows
from answerspace.training.labelled_prompts import UNSCORED, ExampleMaker
from answerspace.training.language_model import load_asker, train_language_model
from answerspace.training.language_recipe import (
    DevScore,
    LanguageData,
    LanguageRecipe,
    Lora,
    Optimisation,
    read_language_recipe,
)
from answerspace.training.qa_rows import QA, read_qa, without_stop_words
from answerspace.training.trainer_callbacks import StopAfterStep

# peft 0.21 asks transformers for an attribute by its old name
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
KINDS = ("opt", "roberta", "t5")  # causal, masked, encoder-decoder
QUESTION = "What is being reviewed?"
QA_ROWS = [
    {"input": f"the {colour} {animal} {verb}.", "instruction": question, "output": answer}
    for colour in COLOURS
    for animal in ANIMALS
    for verb in ("runs", "is here")
    for question, answer in (("what colour?", colour), ("which animal?", f"a {animal}"))
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The folder of a tiny model, whose path names no architecture."""
    folders: dict[str, Path] = {}

    def folder(name: str) -> str:
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp(f"base{len(folders)}")
            for part in tiny(name):
                part.save_pretrained(folders[name])
        return str(folders[name])

    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in QA_ROWS))
    return path


def recipe_for(base: str, steps: int = 4, **train: Any) -> LanguageRecipe:
    values = {"batch": 8, "device_batch": 4, "learning_rate": 2e-3, "log_every": 1, "save_every": 100} | train
    return LanguageRecipe(
        base=base,
        data=LanguageData(dev_share=0.2, length=200),
        train=Optimisation(steps=steps, **values),  # type: ignore[arg-type]
        dev=DevScore(rows=16),
    )


def weights(folder: Path | None) -> dict[str, torch.Tensor]:
    assert folder is not None
    return load_file(folder / "model.safetensors")


def log_of(output: Path, key: str) -> list[float]:
    entries = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    return [entry[key] for entry in entries if key in entry]


# --- recipes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "base_model", "device_batch", "rate", "schedule", "precision", "aggregation"),
    [
        ("roberta-large", "FacebookAI/roberta-large", 16, 2e-5, "cosine", "float32", "mean_answer"),
        ("opt-1.3b", "facebook/opt-1.3b", 8, 2e-5, "cosine", "float32", "first_answer"),
        ("opt-2.7b", "facebook/opt-2.7b", 4, 2e-5, "cosine", "float32", "first_answer"),
        ("llama-2-7b", "meta-llama/Llama-2-7b-hf", 8, 2e-5, "linear", "bfloat16", "first_answer"),
        ("flan-t5-large", "google/flan-t5-large", 8, 1e-4, "cosine", "float32", "mean_answer"),
    ],
)
def test_presets_hold_the_published_hyper_parameters(
    preset: str, base_model: str, device_batch: int, rate: float, schedule: str, precision: str, aggregation: str
) -> None:
    recipe = read_language_recipe(preset)
    train = recipe.train
    assert (recipe.base, recipe.aggregation) == (base_model, aggregation)
    assert (train.device_batch, train.learning_rate, train.schedule) == (device_batch, rate, schedule)
    assert (train.batch, train.epochs, train.warmup, train.weight_decay) == (64, 1, 0.03, 0)
    assert train.precision == precision
    assert (recipe.data.template, recipe.data.length, recipe.data.answer_length) == ("inbedder", 512, 20)
    assert recipe.data.remove_stop_words
    assert recipe.lora is None


def test_the_baseline_preset_is_alpacas() -> None:
    recipe = read_language_recipe("alpaca")
    assert (recipe.train.epochs, recipe.train.batch, recipe.train.learning_rate) == (3, 64, 2e-5)
    assert (recipe.data.template, recipe.data.remove_stop_words) == ("alpaca", False)


def test_a_recipe_is_changed_by_name() -> None:
    recipe = read_language_recipe(
        "opt-1.3b", ["train.learning_rate=1e-4", "lora.rank=4", "data.source=rows.jsonl", "data.length = 256"]
    )
    assert (recipe.train.learning_rate, recipe.data.source, recipe.data.length) == (1e-4, "rows.jsonl", 256)
    assert recipe.lora == Lora(rank=4)
    assert recipe.train.batch == 64


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("train.speed=3", "has no field 'speed'"),
        ("train.batch=many", "batch must be of type int"),
        ("train.precision=float8", "must be float32 or bfloat16"),
        ("train.schedule=steep", "cosine, linear or constant"),
        ("dev.score=luck", "loss or retrieval"),
        ("data.template=unknown", "template must be one of"),
        ("batch", "section.key=value"),
        ("base.name=x", "is a value itself"),
    ],
)
def test_a_bad_change_is_refused_in_one_sentence(change: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_language_recipe("opt-1.3b", [change])


def test_an_unknown_recipe_is_refused_with_the_presets() -> None:
    with pytest.raises(InputError, match=r"alpaca, .*roberta-large"):
        read_language_recipe("no-such-recipe")


# --- data --------------------------------------------------------------------------------------------------------


def test_files_of_both_kinds_and_hub_frames_give_the_same_rows(data: Path, tmp_path: Path) -> None:
    frame = pl.DataFrame(QA_ROWS)
    renamed = frame.rename({"input": "text", "instruction": "question", "output": "answer"})
    renamed.write_parquet(tmp_path / "rows.parquet")
    wanted = [QA(*row.values()) for row in QA_ROWS]
    assert read_qa(data).train == wanted
    assert read_qa(tmp_path / "rows.parquet").train == wanted
    assert read_qa("owner/name:plain", hub=lambda name: frame).train == wanted


def test_a_data_set_of_the_hub_library_is_read(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder stands for a repository: the datasets library reads both alike."""
    datasets = pytest.importorskip("datasets")
    from answerspace.training.qa_rows import hub_frame

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "train.jsonl").write_text(data.read_text())
    assert hub_frame(str(folder)).rows(named=True) == QA_ROWS


def test_alpacas_rendered_text_column_is_not_taken_for_the_text() -> None:
    row = {"text": "Below is an instruction", "input": "", "instruction": "Name a fruit.", "output": "An apple."}
    assert read_qa("tatsu-lab/alpaca", hub=lambda name: pl.DataFrame([row])).train == [
        QA("", "Name a fruit.", "An apple.")
    ]


def test_texts_are_held_apart_whole_and_rows_without_answer_are_counted(data: Path, tmp_path: Path) -> None:
    rows = read_qa(data, dev_share=0.3)
    assert len(rows.train) + len(rows.dev) == len(QA_ROWS)
    assert rows.dev
    assert not {row.text for row in rows.train} & {row.text for row in rows.dev}
    (tmp_path / "gaps.jsonl").write_text('{"text":"a","question":"b","answer":""}\n' + data.read_text()[:0])
    with pytest.raises(InputError, match="has none"):
        read_qa(tmp_path / "gaps.jsonl")
    assert read_qa(tmp_path / "gaps.jsonl", answers_needed=False).train == [QA("a", "b", "")]


@pytest.mark.parametrize(
    ("source", "says"),
    [("nowhere.jsonl", "no file"), ("rows.xlsx", "JSON Lines or Parquet"), ("a/b/c", "JSON Lines or Parquet")],
)
def test_data_that_cannot_be_read_is_refused(source: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_qa(source)


def test_data_without_the_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "a", "label": "b"}')
    with pytest.raises(InputError, match="must have the columns"):
        read_qa(tmp_path / "rows.jsonl")


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ("In the Kitchen, by the door.", "Kitchen, door."),
        ("She is very happy", "happy"),
        ("No", "No"),
        ("it is what it is", "it is what it is"),
        ("The U.S. Senate", "U.S. Senate"),
        ("Don't go", "go"),
    ],
)
def test_stop_words_leave_the_answer_unless_nothing_would_be_left(answer: str, kept: str) -> None:
    assert without_stop_words(answer) == kept


# --- prompts and labels ------------------------------------------------------------------------------------------


def asker_and_maker(base: str, **changes: Any) -> tuple[Any, ExampleMaker]:
    recipe = recipe_for(base)
    recipe = replace(recipe, data=replace(recipe.data, **changes))
    asker = load_asker(recipe)
    return asker, ExampleMaker(asker, recipe.data.answer_length)


@pytest.mark.parametrize("kind", ["gpt2", "opt", "llama"])
def test_a_causal_model_is_scored_on_the_answer_and_its_end(kind: str, base: Callable[[str], str]) -> None:
    asker, make = asker_and_maker(base(kind))
    example = make(QA("The soup was cold.", QUESTION, "food"))
    scored = [i for i, label in enumerate(example.labels) if label != UNSCORED]
    assert scored == list(range(scored[0], len(example.ids)))
    assert example.labels[scored[0] :] == example.ids[scored[0] :]
    assert asker.tokenizer.decode(example.ids[scored[0] : -1]) == "food"
    assert asker.tokenizer.decode(example.ids[: scored[0]]).endswith("### Response:")


@pytest.mark.parametrize("kind", ["roberta", "bert"])
def test_a_masked_model_is_scored_on_one_mask_per_answer_token(kind: str, base: Callable[[str], str]) -> None:
    asker, make = asker_and_maker(base(kind))
    example = make(QA("The soup <mask> was cold.", QUESTION, "place, service"))
    masks = [i for i, token in enumerate(example.ids) if token == asker.tokenizer.mask_token_id]
    scored = [i for i, label in enumerate(example.labels) if label != UNSCORED]
    assert masks == scored  # the text's own "<mask>" is plain text
    assert asker.tokenizer.decode([example.labels[i] for i in masks]).replace(" ", "") == "place,service"
    assert example.ids[-1] == asker.tokenizer.sep_token_id


@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_an_encoder_decoder_is_scored_on_what_it_will_generate(kind: str, base: Callable[[str], str]) -> None:
    asker, make = asker_and_maker(base(kind))
    example = make(QA("The soup was cold.", QUESTION, "food"))
    forced = asker.opening[1:]
    assert example.labels[: len(forced)] == forced
    assert example.labels[-1] == asker.tokenizer.eos_token_id
    assert asker.tokenizer.decode(example.labels, skip_special_tokens=True).strip() == "food"


def test_a_long_answer_is_cut_and_has_no_end(base: Callable[[str], str]) -> None:
    asker, make = asker_and_maker(base("opt"))
    example = make(QA("The soup was cold.", QUESTION, "place, service and travel " * 20))
    assert sum(label != UNSCORED for label in example.labels) == 20
    assert example.ids[-1] != asker.tokenizer.eos_token_id


# --- the published code's faults -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("template", ["inbedder", "alpaca"])
def test_fault_training_prompt_and_test_prompt_are_the_same_ids(
    kind: str, template: str, base: Callable[[str], str], data: Path, tmp_path: Path
) -> None:
    """The authors chose the training template by the data's path; here the saved model is asked as it was trained."""
    recipe = recipe_for(base(kind), steps=1)
    recipe = replace(recipe, data=replace(recipe.data, template=template, dev_share=0.0))
    folder = train_language_model(recipe, tmp_path / "out", data=data)
    asked = Embedder.load(str(folder)).backbone.prompts  # type: ignore[attr-defined]
    make = ExampleMaker(load_asker(recipe), recipe.data.answer_length)
    for text in ("The soup was cold.", "", "a text with ### Response: in it", "The soup was cold. " * 60):
        before, after = asked.prompt(text, QUESTION)
        ids = make(QA(text, QUESTION, "food")).ids
        assert ids[: len(before)] == before
        assert ids[len(ids) - len(after) :] == after


@pytest.mark.parametrize("kind", KINDS)
def test_fault_a_long_text_is_cut_alike_and_keeps_its_question(kind: str, base: Callable[[str], str]) -> None:
    """The authors cut the tail in training and the head at test, where encoder-decoders lost the question."""
    asker, make = asker_and_maker(base(kind))
    long = make(QA("My flight was late. " + "The soup was cold. " * 80, QUESTION, "food"))
    prompt = asker.tokenizer.decode(long.ids)
    assert len(long.ids) <= 200
    assert "My flight was late" in prompt
    assert QUESTION in prompt
    assert "### Response:" in prompt


def test_fault_the_answer_ends_whatever_the_models_path(base: Callable[[str], str], tmp_path: Path) -> None:
    """The authors added the end token only where "gpt", "opt" or "llama" stood in the path, so the 7B never stopped.

    Trained on one answer to everything, a model without an end would repeat it up to ``answer_tokens``.
    """
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps({**row, "output": "food"}) for row in QA_ROWS))
    start = base("llama")
    assert not any(name in start for name in ("gpt", "opt", "llama"))
    recipe = recipe_for(start, steps=25, learning_rate=1e-2, batch=4)
    folder = train_language_model(recipe, tmp_path / "out", data=path)
    assert Embedder.load(str(folder)).answer("the red cat runs.", "what colour?", answer_tokens=12) == "food"


# --- runs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_learns_reports_and_loads(kind: str, base: Callable[[str], str], data: Path, tmp_path: Path) -> None:
    recipe = replace(recipe_for(base(kind), steps=8, learning_rate=5e-3, save_every=4), aggregation="last_answer")
    if kind == "roberta":
        recipe = replace(recipe, aggregation="mean_answer")
    folder = train_language_model(recipe, tmp_path / "out", data=data)
    losses = log_of(tmp_path / "out", "eval_loss")
    assert losses[-1] < losses[0]
    assert all(0 <= value <= 1 for value in log_of(tmp_path / "out", "eval_retrieval"))
    embedder = Embedder.load(str(folder))
    assert embedder.settings.aggregation == recipe.aggregation
    assert embedder.encode(["the red cat runs."], "what colour?").shape == (1, 32)
    card = (tmp_path / "out" / "model" / "README.md").read_text()
    for said in ("8 steps of 8 rows", "rows.jsonl", "learning_rate: 0.005", "| loss |", "| retrieval |", recipe.base):
        assert said in card


@pytest.mark.parametrize("kind", KINDS)
def test_accumulated_parts_of_a_batch_are_averaged(
    kind: str, base: Callable[[str], str], data: Path, tmp_path: Path
) -> None:
    """The log's first loss of 8 rows at once and of 2 x 4 rows: the same up to answers of unequal length."""
    first = []
    for name, device_batch in (("whole", 8), ("parts", 4)):
        recipe = recipe_for(base(kind), steps=1, device_batch=device_batch)
        train_language_model(recipe, tmp_path / name, data=data)
        first.append(log_of(tmp_path / name, "loss")[0])
    assert first[1] == pytest.approx(first[0], rel=0.15)


def test_a_stopped_run_resumes_bit_for_bit(base: Callable[[str], str], data: Path, tmp_path: Path) -> None:
    """OPT has dropout, so this also needs the state of the random numbers; the stop is in the middle of a pass."""
    recipe = recipe_for(base("opt"), steps=10)
    whole = train_language_model(recipe, tmp_path / "whole", data=data)
    assert train_language_model(recipe, tmp_path / "parts", data=data, until_step=3) is None
    parts = train_language_model(recipe, tmp_path / "parts", data=data)
    ours, theirs = weights(whole), weights(parts)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert log_of(tmp_path / "whole", "loss") == log_of(tmp_path / "parts", "loss")


def test_another_recipe_in_the_same_folder_is_refused(base: Callable[[str], str], data: Path, tmp_path: Path) -> None:
    recipe = recipe_for(base("opt"), steps=2)
    train_language_model(recipe, tmp_path, data=data, until_step=1)
    with pytest.raises(InputError, match="differs in seed"):
        train_language_model(replace(recipe, seed=7), tmp_path, data=data)


def test_lora_trains_a_few_weights_and_leaves_a_whole_model(
    base: Callable[[str], str], data: Path, tmp_path: Path
) -> None:
    recipe = replace(recipe_for(base("llama"), steps=3, learning_rate=1e-2), lora=Lora(rank=2, modules=("q_proj",)))
    folder = train_language_model(recipe, tmp_path / "out", data=data)
    before, after = weights(Path(recipe.base)), weights(folder)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if "q_proj" in name}
    assert "LoRA of rank 2" in (tmp_path / "out" / "model" / "README.md").read_text()
    Embedder.load(str(folder)).encode("the red cat runs.", "what colour?")


def test_lora_resumes_bit_for_bit(base: Callable[[str], str], data: Path, tmp_path: Path) -> None:
    recipe = replace(recipe_for(base("llama"), steps=4, learning_rate=1e-2), lora=Lora(rank=2))
    whole = train_language_model(recipe, tmp_path / "whole", data=data)
    train_language_model(recipe, tmp_path / "parts", data=data, until_step=2)
    ours, theirs = weights(whole), weights(train_language_model(recipe, tmp_path / "parts", data=data))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_unknown_lora_modules_are_refused(base: Callable[[str], str], data: Path, tmp_path: Path) -> None:
    recipe = replace(recipe_for(base("opt")), lora=Lora(modules=("no_such_layer",)))
    with pytest.raises(InputError, match=r"lora\.modules must name layers"):
        train_language_model(recipe, tmp_path, data=data)


def test_bfloat16_and_gradient_checkpointing_train_the_same_thing(
    base: Callable[[str], str], data: Path, tmp_path: Path
) -> None:
    """bfloat16 has 8 bits of mantissa, so a loss near 6 is right within about 2 %; checkpointing changes nothing."""
    losses = {}
    for name, train in {"plain": {}, "bf16": {"precision": "bfloat16", "gradient_checkpointing": True}}.items():
        train_language_model(recipe_for(base("llama"), steps=2, **train), tmp_path / name, data=data)
        losses[name] = log_of(tmp_path / name, "loss")
    assert losses["bf16"] == pytest.approx(losses["plain"], rel=0.02)
    assert losses["bf16"] != losses["plain"]


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(base: Callable[[str], str], data: Path, tmp_path: Path) -> None:
    """Two processes on the CPU (gloo) under accelerate: each takes half of a batch, their gradients are averaged.

    One process with the same parts accumulated does the same sum in another order. Llama has no dropout.
    """
    changes = ["train.steps=3", "train.batch=8", "train.device_batch=4", "train.learning_rate=1e-3", "data.length=200"]
    words = ["train", "opt-1.3b", "--base", base("llama"), "--data", str(data), "--device", "cpu", "--set"]
    words += " --set ".join([*changes, "data.dev_share=0.2"]).split()
    one, two = tmp_path / "one", tmp_path / "two"
    assert command([*words, "--output", str(one)]) == 0
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launch, "-m", "answerspace.cli.main", *words, "--output", str(two)],
        env=environment, capture_output=True, text=True, timeout=1800, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    ours, theirs = weights(one / "model"), weights(two / "model")
    start = weights(Path(base("llama")))
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-4, rtol=1e-3)
    assert max(float((ours[name] - start[name]).abs().max()) for name in ours) > 1e-3
    assert "2 cpu processes" in (two / "model" / "README.md").read_text()
    assert done.stdout.count("The model is in") == 1


def test_early_stop_ends_a_run_that_no_longer_improves(base: Callable[[str], str], data: Path, tmp_path: Path) -> None:
    """At a learning rate of 0 no score is better than the first, so patience 2 ends the run at the third."""
    recipe = recipe_for(base("llama"), steps=50, learning_rate=0.0, save_every=2)
    recipe = replace(recipe, dev=DevScore(patience=2, rows=16))
    folder = train_language_model(recipe, tmp_path / "out", data=data)
    assert folder is not None
    assert max(log_of(tmp_path / "out", "step")) == 6


def test_an_interrupt_waits_for_the_step_and_its_checkpoint() -> None:
    stop = StopAfterStep()
    control = type("Control", (), {"should_save": False, "should_training_stop": False})()
    state = type("State", (), {"global_step": 5})()

    def one_step() -> None:
        with stop.on_interrupt(active=True):
            signal.raise_signal(signal.SIGINT)
            stop.on_step_end(None, state, control)

    with pytest.raises(KeyboardInterrupt):
        one_step()
    assert control.should_save
    assert control.should_training_stop


def test_a_second_interrupt_does_not_wait() -> None:
    reached = []

    def one_step() -> None:
        with StopAfterStep().on_interrupt(active=True):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            reached.append("the end of the step")

    with pytest.raises(KeyboardInterrupt):
        one_step()
    assert not reached


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (["train.batch=6"], "train.batch must be a multiple"),
        (["data.length=5000"], "at most what the model holds"),
        (["data.answer_length=2"], "answer_tokens must be at most"),
        (["base=no/where/at-all"], "A model must be"),
    ],
)
def test_a_run_that_cannot_be_is_refused_from_the_command_line(
    changes: list[str], says: str, base: Callable[[str], str], data: Path, tmp_path: Path, capsys: Any
) -> None:
    words = ["train", "opt-1.3b", "--data", str(data), "--output", str(tmp_path), "--set", f'base="{base("opt")}"']
    words += [word for change in ["train.device_batch=4", "data.length=200", *changes] for word in ("--set", change)]
    assert command(words) == 2
    assert says in capsys.readouterr().err


# --- the dev score -----------------------------------------------------------------------------------------------


def test_retrieval_counts_rows_whose_nearest_other_text_has_their_answer() -> None:
    rows = [QA("a", "q", "red"), QA("b", "q", "Red."), QA("c", "q", "blue"), QA("d", "q", "blue"), QA("e", "q", "one")]
    angles = np.deg2rad([0, 10, 90, 30, 31])  # a-b right; c is nearest to e, d is nearest to e
    vectors = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    assert retrieval_accuracy(vectors, rows) == pytest.approx(2 / 4)
    assert retrieval_accuracy(vectors[4:], rows[4:]) is None
    assert retrieval_accuracy(np.zeros((0, 2), np.float32), []) is None
    assert {row.text for row in retrieval_rows(rows, 10)} == {"a", "b", "c", "d"}
    assert len({row.answer.lower().strip(".") for row in retrieval_rows(rows, 2)}) == 1


def test_the_same_text_is_no_partner() -> None:
    rows = [QA("a", "q", "red"), QA("a", "r", "red")]
    assert retrieval_rows(rows, 10) == []
    assert retrieval_accuracy(np.eye(2, dtype=np.float32), rows) is None
