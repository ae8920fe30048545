"""Distillation into the bundled model: the teacher's vectors on disk, what is learned from them, that a run resumes."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_bundled import ANIMALS, COLOURS, tiny_bundled, write_start
from tiny_models import tiny

from answerspace import Embedder
from answerspace.backbones.causal import CausalBackbone
from answerspace.backbones.fake import FakeBackbone
from answerspace.backbones.masked import MaskedBackbone
from answerspace.backbones.seq2seq import Seq2SeqBackbone
from answerspace.cli.main import run as command
from answerspace.errors import InputError
from answerspace.training.bundled import Run
from answerspace.training.distillation import Distillation, agreement, centred, projection_loss
from answerspace.training.objective import relations_loss
from answerspace.training.recipe import DataRecipe, DistilRecipe, Recipe, TrainRecipe
from answerspace.training.rows import Asked, Rows
from answerspace.training.teacher import TeacherVectors
from answerspace.training.whole_run import train_bundled

WHAT, WHICH = "what colour?", "which animal?"
TEXTS = [f"the {colour} {animal} runs." for colour in COLOURS for animal in ANIMALS]
DEV = [TEXTS[i] for i in (0, 1, 4, 5, 10, 15)]  # pairs that share a colour or an animal; no value is new
TRAIN = [text for text in TEXTS if text not in DEV]
PAIRS = [(text, question) for text in TEXTS[:6] for question in (WHAT, WHICH)]
TEACHERS: dict[str, Callable[[], Embedder]] = {
    "causal": lambda: Embedder(CausalBackbone(*tiny("gpt2"))),
    "masked": lambda: Embedder(MaskedBackbone(*tiny("roberta"))),
    "seq2seq": lambda: Embedder(Seq2SeqBackbone(*tiny("t5"))),
    "bundled": lambda: Embedder.load(str(tiny_bundled())),
}


def fake_teacher() -> Embedder:
    """Gives equal vectors to equal colours under WHAT, to equal animals under WHICH: the geometry to be learned."""
    return Embedder(
        FakeBackbone({WHAT: {colour: colour for colour in COLOURS}, WHICH: {animal: animal for animal in ANIMALS}})
    )


def teacher_in(folder: Path, kind: str) -> TeacherVectors:
    return TeacherVectors(TEACHERS[kind](), folder / "teacher")


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_start(tmp_path_factory.mktemp("start"))


def rows_of(texts: list[str], dev: list[str]) -> Rows:
    """Texts asked both questions, without answers."""

    def asked(text: str) -> Asked:
        return Asked("animals", text, ((WHAT, ""), (WHICH, "")))

    return Rows({"animals": [asked(text) for text in texts]}, [asked(text) for text in dev])


def recipe_for(start: Path, steps: int, **distil: Any) -> Recipe:
    return Recipe(
        start=str(start),
        data=DataRecipe(files=[]),
        train=TrainRecipe(texts_per_batch=8, group=2, steps=steps, warmup_steps=2, learning_rate=5e-3, memory=8),
        distil=DistilRecipe(**{"gold": 0.0} | distil),
        seed=3,
    )


# --- the teacher's vectors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TEACHERS)
def test_every_kind_of_teacher_is_asked_once(kind: str, tmp_path: Path) -> None:
    teacher = TEACHERS[kind]()
    vectors = TeacherVectors(teacher, tmp_path)
    first = vectors(PAIRS)
    wanted = teacher.encode([text for text, _ in PAIRS], [q for _, q in PAIRS], paired=True, normalize=True)
    np.testing.assert_allclose(first, wanted, atol=1e-3)  # kept in half precision
    again = TeacherVectors(teacher, tmp_path)
    assert len(again) == len(set(PAIRS))
    again.teacher = None  # type: ignore[assignment]  # nothing is left to compute
    np.testing.assert_array_equal(again(PAIRS[::-1]), first[::-1])


def test_an_interrupted_write_costs_only_its_own_pairs(tmp_path: Path) -> None:
    teacher = fake_teacher()
    vectors = TeacherVectors(teacher, tmp_path)
    before = vectors(PAIRS[:4])
    with (vectors.folder / "vectors.f16").open("ab") as file:
        file.write(b"\0" * 7)  # a row and its key half-written
    with (vectors.folder / "keys.bin").open("ab") as file:
        file.write(b"\0" * 3)
    again = TeacherVectors(teacher, tmp_path)
    assert len(again) == 4
    whole = again(PAIRS)
    np.testing.assert_array_equal(whole[:4], before)
    np.testing.assert_array_equal(TeacherVectors(teacher, tmp_path)(PAIRS), whole)


def test_teachers_do_not_share_vectors(tmp_path: Path) -> None:
    one = TeacherVectors(TEACHERS["causal"](), tmp_path)
    one(PAIRS)
    other = Embedder(one.teacher.backbone, replace(one.teacher.settings, layer=1))
    assert len(TeacherVectors(other, tmp_path)) == 0


# --- the loss ------------------------------------------------------------------------------------------------------


def test_the_relations_loss_is_zero_for_the_same_geometry_in_another_space(tmp_path: Path) -> None:
    """A rotation and a common shift change no centred cosine; another geometry does."""
    teacher = TeacherVectors(fake_teacher(), tmp_path)
    taught = torch.from_numpy(teacher(PAIRS))
    rotation = torch.linalg.qr(torch.randn(taught.shape[1], taught.shape[1]))[0]
    loss = Distillation(DistilRecipe(relations=1.0), teacher, taught.shape[1])
    same = loss(taught @ rotation + 5.0, PAIRS)
    other = loss(torch.randn(taught.shape), PAIRS)
    assert same < 1e-6 < 0.01 < other


def test_agreement_is_a_correlation_of_cosines() -> None:
    vectors = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    rotation = torch.linalg.qr(torch.randn(5, 5))[0]
    assert agreement(3 * vectors @ rotation + 1.0, vectors) == pytest.approx(1.0, abs=1e-5)
    assert agreement(vectors, vectors.flip(1).abs()) < 0.9
    assert agreement(vectors[:2], vectors[:2]) == 0.0


def test_without_centring_a_common_part_drowns_the_relations() -> None:
    """Cosines of vectors with a shared part of length 10 are within 2 % of 1 whatever they are; centring undoes it."""
    spread = torch.nn.functional.normalize(torch.randn(8, 4), dim=-1)
    shifted = spread + torch.tensor([10.0, 0, 0, 0])
    plain = torch.nn.functional.normalize(shifted, dim=-1)
    assert (plain @ plain.T).min() > 0.97
    assert relations_loss(centred(shifted), centred(spread)) < 1e-6


def test_the_projection_maps_between_dimensions() -> None:
    vectors = torch.eye(4)
    assert projection_loss(vectors, 3 * vectors) == 0
    assert projection_loss(vectors, -vectors) == 2


# --- runs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("projection", [0.0, 1.0])
def test_the_student_learns_the_teachers_geometry_without_answers(
    projection: float, start: Path, tmp_path: Path
) -> None:
    """Dev texts are not trained on, so agreement there is learned, not remembered (from 0.20 to 0.73 and 0.64)."""
    recipe = recipe_for(start, 160, projection=projection)
    rows = rows_of(TRAIN, DEV)
    run = Run(recipe, rows, tmp_path, teacher=TeacherVectors(fake_teacher(), tmp_path / "teacher"))
    before = run.dev_scores()["dev_teacher"]
    after = run.train()["dev_teacher"]
    assert after > before + 0.3
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert all(np.isfinite(value) for entry in log for value in entry.values())


def test_a_stopped_distillation_resumes_bit_for_bit(start: Path, tmp_path: Path) -> None:
    """The projection's weights are part of the checkpoint, the teacher's vectors are on disk."""
    recipe = recipe_for(start, 6, projection=1.0)
    rows = rows_of(TRAIN, DEV)

    def run_in(name: str) -> Run:
        return Run(recipe, rows, tmp_path / name, teacher=teacher_in(tmp_path / name, "causal"))

    whole = run_in("whole")
    whole.train()
    run_in("parts").train(until_step=3)
    rest = run_in("parts")
    rest.train()
    assert all(torch.equal(a, b) for a, b in zip(whole.trained, rest.trained, strict=True))
    assert rest.state.step == 6


@pytest.mark.parametrize("kind", TEACHERS)
@pytest.mark.parametrize("gold", [0.0, 1.0])
def test_any_kind_teaches_alone_or_beside_gold_answers(kind: str, gold: float, start: Path, tmp_path: Path) -> None:
    recipe = recipe_for(start, 2, gold=gold, projection=1.0)
    asked = [Asked("animals", text, ((WHAT, text.split()[1]), (WHICH, text.split()[2]))) for text in TEXTS]
    run = Run(recipe, Rows({"animals": asked[:12]}, asked[12:]), tmp_path, teacher=teacher_in(tmp_path, kind))
    scores = run.train(log_every=1)
    assert -1 <= scores["dev_teacher"] <= 1
    assert ("dev_accuracy" in scores) == (gold > 0)
    losses = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[0])
    assert losses["total"] > 0
    assert (losses["contrast"] > 0) == (gold > 0)


def test_one_command_distils_a_teacher(start: Path, tmp_path: Path) -> None:
    """From rows with gold answers; the result loads like any bundled model and its card names the teacher."""
    teacher = tmp_path / "teacher-model"
    TEACHERS["causal"]().save(str(teacher))
    data = tmp_path / "rows.jsonl"
    rows = [{"input": t, "instruction": WHAT, "output": t.split()[1]} for t in TEXTS]
    data.write_text("\n".join(json.dumps(row) for row in rows))
    words = ["train", "distil", "--teacher", str(teacher), "--data", str(data), "--output", str(tmp_path / "out")]
    words += ["--base", str(start), "--device", "cpu", "--set", "train.steps=2", "--set", "train.texts_per_batch=8"]
    assert command([*words, "--set", "data.dev_share=0.2"]) == 0
    embedder = Embedder.load(str(tmp_path / "out" / "model"))
    assert embedder.encode(TEXTS[:2], WHAT).shape == (2, 32)
    card = (tmp_path / "out" / "model" / "README.md").read_text()
    assert "teacher-model" in card
    assert "train.steps=2" in card


def test_a_teacher_alone_needs_no_answers(start: Path, tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("\n".join(json.dumps({"text": t, "question": WHAT}) for t in TEXTS))
    changes = ["train.steps=2", "train.texts_per_batch=8", f"start={start}"]
    options: dict[str, Any] = {"teacher": fake_teacher(), "device": "cpu"}
    with pytest.raises(InputError, match="must have the columns"):
        train_bundled("distil", data, tmp_path / "gold", changes=changes, **options)
    train_bundled("distil", data, tmp_path / "alone", changes=[*changes, "distil.gold=0"], **options)
    assert Embedder.load(str(tmp_path / "alone" / "model")).dimension == 32


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["opt-1.3b", "--teacher", "x"], "--teacher needs a recipe of the bundled model"),
        (["distil"], "must be given with --teacher"),
        (["distil", "--teacher", "no/where/at-all"], "A model must be"),
        (["distil", "--set", "distil.gild=1"], "has no field 'gild'"),
    ],
)
def test_what_cannot_be_distilled_is_refused(words: list[str], says: str, tmp_path: Path, capsys: Any) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text(json.dumps({"text": "a", "question": "b", "answer": "c"}))
    assert command(["train", *words, "--data", str(data), "--output", str(tmp_path / "out")]) == 2
    assert says in capsys.readouterr().err


# --- early stop of the bundled training ------------------------------------------------------------------------------


def test_early_stop_keeps_the_best_weights(start: Path, tmp_path: Path) -> None:
    """At a huge learning rate every score after the first steps is worse, so patience ends the run at the best one."""
    recipe = recipe_for(start, 40)
    recipe = replace(recipe, train=replace(recipe.train, patience=2, score="dev_teacher", learning_rate=0.1))
    rows = rows_of(TRAIN, DEV)
    run = Run(recipe, rows, tmp_path, teacher=TeacherVectors(fake_teacher(), tmp_path / "teacher"))
    scores = run.train(dev_every=1)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    seen = [entry["dev_teacher"] for entry in log[:-1] if "dev_teacher" in entry]
    assert run.state.step < 40
    assert seen[-3] == max(seen)  # two after it were no better
    assert scores["dev_teacher"] == max(seen)
