"""The parts of task selection that need torch: alignment, rank classification, published recipes."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_bundled import ANIMALS, COLOURS, tiny_bundled, write_start
from tiny_models import tiny

from answerspace.backbones.fake import FakeBackbone
from answerspace.embedder import Embedder
from answerspace.errors import InputError
from answerspace.task_selection.alignment import ALIGNMENTS, AlignmentRecipe, align, supervised_contrastive
from answerspace.task_selection.alignment_pairs import Instruction, instructions_of
from answerspace.task_selection.bundled_learner import BundledModel, BundledSettings, bundled_learner, ranking_loss
from answerspace.task_selection.mixture import MixedExample, build_mixture, write_mixture
from answerspace.task_selection.rank_classification import choice_scores, generated_answers, judge_model
from answerspace.task_selection.task_pool import PoolTask
from answerspace.task_selection.transfer_experiment import SweepPlan, Target, run_sweep
from answerspace.training.language_model import train_language_model
from answerspace.training.language_recipe import read_language_recipe

RECIPES = Path(__file__).parent.parent / "recipes"


def test_the_contrastive_loss_by_hand():
    """Two groups of two equal unit vectors, orthogonal: each row is e^(1/t) against e^(1/t) + 2."""
    vectors = torch.eye(2).repeat_interleave(2, 0)
    loss = supervised_contrastive(vectors, torch.tensor([0, 0, 1, 1]), temperature=0.5)
    assert float(loss) == pytest.approx(-math.log(math.exp(2) / (math.exp(2) + 2)), rel=1e-5)
    alone = supervised_contrastive(torch.eye(3)[[0, 0, 1]], torch.tensor([0, 0, 1]), temperature=0.5)
    assert float(alone) == pytest.approx(-math.log(math.exp(2) / (math.exp(2) + 1)), rel=1e-5)


def instructions(words, group):
    return [Instruction(f"what {word} is the {word} here", f"{group} {word}", f"{o}") for word in words for o in "abc"]


@pytest.mark.parametrize("loss", ["cosine", "contrastive"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_alignment_keeps_the_best_epoch_and_writes_a_model(tmp_path, loss):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    start = tmp_path / "start"
    start.mkdir()
    write_start(start)
    rest, dev = instructions(COLOURS, "colour"), instructions(ANIMALS[:2], "animal")
    recipe = AlignmentRecipe(loss, 1e-3, epochs=2, batch=2, each=2, trained_blocks=1, max_length=30)
    notes: list[str] = []
    rows = align(str(start), rest, dev, recipe, tmp_path / "out", tell=notes.append)
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert len(notes) == 3
    saved = json.loads((tmp_path / "out" / "alignment.json").read_text())
    assert saved["recipe"]["loss"] == loss
    assert saved["epochs"] == rows
    before = sentence_transformers.SentenceTransformer(str(start), device="cpu")
    after = sentence_transformers.SentenceTransformer(str(tmp_path / "out" / "model"), device="cpu")
    first, last = (dict(model.named_parameters()) for model in (before, after))
    changed = {name for name in first if "pooler" not in name and not torch.equal(first[name], last[name])}
    best = max(rows, key=lambda row: row["dev"])
    assert all(".layer.1." in name for name in changed)  # the first block and the embeddings are frozen
    assert bool(changed) == (best["epoch"] > 0)
    with pytest.raises(InputError, match="must not be trained on"):
        align(str(start), [*rest, dev[0]], dev, recipe, tmp_path / "again")


def test_the_published_alignment_is_the_published_one():
    recipe = ALIGNMENTS["published"]
    assert (recipe.learning_rate, recipe.epochs, recipe.batch, recipe.warmup, recipe.seed) == (1e-6, 5, 16, 0.1, 42)
    assert recipe.trained_blocks is None


def test_instructions_of_a_pool_are_grouped_by_category_or_task():
    tasks = [PoolTask("t", ("a", "b"), "", "o"), PoolTask("u", ("c",), "QA", "p")]
    assert instructions_of(tasks) == [
        Instruction("a", "t", "o"),
        Instruction("b", "t", "o"),
        Instruction("c", "QA", "p"),
    ]


@pytest.mark.parametrize("name", ["t5", "gpt2"])
def test_choice_scores_are_summed_log_probabilities(name):
    """Against the logits themselves, token by token, without length normalisation."""
    model, tokenizer = tiny(name)
    prompt, choices = "the cat runs", ["yes", "no it is not"]
    scores = choice_scores(model, tokenizer, [prompt, "a dog"], choices)
    assert scores.shape == (2, 2)
    for choice, score in zip(choices, scores[0], strict=True):
        ids = tokenizer(prompt)["input_ids"]
        with torch.no_grad():
            if name == "t5":
                wanted = tokenizer(text_target=choice)["input_ids"]
                shifted = [model.config.decoder_start_token_id, *wanted[:-1]]
                logits = model(input_ids=torch.tensor([ids]), decoder_input_ids=torch.tensor([shifted])).logits[0]
            else:
                wanted = tokenizer(" " + choice, add_special_tokens=False)["input_ids"]
                logits = model(input_ids=torch.tensor([[*ids, *wanted]])).logits[0, len(ids) - 1 : -1]
        by_hand = logits.log_softmax(-1)[range(len(wanted)), wanted].sum()
        assert score == pytest.approx(float(by_hand), rel=1e-4)


@pytest.mark.parametrize("name", ["t5", "gpt2"])
def test_generated_answers_are_one_per_prompt_and_greedy(name):
    model, tokenizer = tiny(name)
    answers = generated_answers(model, tokenizer, ["the cat runs", "a dog"], answer_tokens=4)
    assert len(answers) == 2
    assert all(isinstance(answer, str) for answer in answers)
    assert answers == generated_answers(model, tokenizer, ["the cat runs", "a dog"], answer_tokens=4)


@pytest.mark.parametrize(("name", "rate"), [("p3", 1e-4), ("niv2", 5e-5)])
def test_the_published_training_is_a_recipe_of_the_training_room(name, rate):
    recipe = read_language_recipe(RECIPES / f"insta-t5-3b-{name}.toml")
    assert (recipe.base, recipe.train.learning_rate, recipe.train.batch) == ("google/t5-xl-lm-adapt", rate, 256)
    assert (recipe.train.epochs, recipe.data.length, recipe.data.answer_length) == (3, 1024, 256)
    assert np.isclose(recipe.data.dev_share, 0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_from_a_selection_to_a_judged_model(tmp_path):
    """The whole way on a tiny encoder-decoder: mixture, the published recipe with small numbers, evaluation."""
    model, tokenizer = tiny("t5")
    model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    tasks = [PoolTask("colour", ("Say the colour.",)), PoolTask("animal", ("Say the animal.",))]
    examples = {"colour": [("the red cat", "red")] * 4, "animal": [("a black dog", "dog")] * 4}
    data = write_mixture(build_mixture(tasks, examples), tmp_path / "mixture.jsonl")
    changes = ["data.length=128", "data.answer_length=24", "train.batch=4", "train.device_batch=4", "train.epochs=1"]
    changes += ["train.precision=float32", "train.gradient_checkpointing=false", f"base={tmp_path / 'base'}"]
    recipe = read_language_recipe(RECIPES / "insta-t5-3b-niv2.toml", changes)
    folder = train_language_model(recipe, tmp_path / "run", data=data, device="cpu")
    backbone = Embedder.load(str(folder)).backbone
    rows = [("the blue bird", "blue"), ("the red horse", "red")]
    labelled = judge_model(backbone, "Say the colour.", rows, ["red", "blue"])
    assert labelled.accuracy in (0, 0.5, 1)
    assert labelled.rouge_l == labelled.accuracy  # one-word labels
    free = judge_model(backbone, "Say the colour.", rows)
    assert free.accuracy is None
    assert free.examples == 2
    with pytest.raises(InputError, match="causal and encoder-decoder"):
        judge_model(FakeBackbone({}), "Say it.", rows)
    with pytest.raises(InputError, match="at least one example"):
        judge_model(backbone, "Say it.", [])


# --- the bundled model as the learner ----------------------------------------------------------------------------

COLOUR_TASK = PoolTask("colour", ("what colour is here ?",), "C", "a", ("red", "blue"))
FREE_TASK = PoolTask("animal", ("which animal runs ?",), "A", "b")
SETTINGS = BundledSettings(str(tiny_bundled()), 3e-3, passes=10, batch=4, text_length=12, question_length=8)


def colours(count):
    rows = [(f"the {colour} {animal} runs", colour) for animal in ANIMALS for colour in ("red", "blue")]
    return rows[:count]


def about_colours(texts):
    return np.array([[float("colour" in text), 1.0] for text in texts])


def test_the_ranking_loss_by_hand():
    """One rival: log(1 + e^((b - a) / t)); an answer that is not allowed is no rival; no rival, no loss."""
    targets = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    vectors, own = torch.tensor([[1.0, 0.0]]), torch.tensor([0])
    one = torch.tensor([[False, True, False]])
    wanted = math.log(1 + math.exp((0.6 - 1) / 0.5))
    assert float(ranking_loss(vectors, targets, own, one, 0.5)) == pytest.approx(wanted, rel=1e-5)
    assert float(ranking_loss(vectors, targets, own, one & False, 0.5)) == 0


@pytest.mark.parametrize("task", [COLOUR_TASK, replace(COLOUR_TASK, answers=())], ids=["labels", "outputs"])
def test_the_bundled_learner_learns_and_keeps_its_reader(task):
    """The tiny model happens to say the colours right; taught the other colour, it says that of new animals too.

    Without labels it learns against the other outputs among the task's examples.
    """
    target = Target(COLOUR_TASK, colours(8)[4:], COLOUR_TASK.answers)
    swapped = [(text, {"red": "blue", "blue": "red"}[answer]) for text, answer in colours(4)]
    learner = bundled_learner(SETTINGS, [task], {"colour": swapped})
    mixture = build_mixture([task], {"colour": swapped}, seed=0)
    before, after = learner.train([], 0), learner.train(mixture, 0)
    assert before.scores(target).argmax(1).tolist() == [0, 1, 0, 1]
    assert after.scores(target).argmax(1).tolist() == [1, 0, 1, 0]
    first, last = before.run.network.state_dict(), after.run.network.state_dict()
    changed = {name for name in first if not torch.equal(first[name], last[name])}
    assert "asker.0.query.weight" in changed
    assert not any(name.startswith(("reader", "embeddings")) for name in changed)
    assert np.array_equal(after.scores(target), learner.train(mixture, 0).scores(target))
    assert '"passes": 10' in learner.settings


def test_rivals_are_the_tasks_own():
    model = BundledModel(SETTINGS, steps=1, seed=0)
    batch = [MixedExample("the red cat", "what colour", "red", "colour")]
    assert model.step(batch, [[]]) == 0
    assert model.step(batch, [["blue"]]) > 0
    assert set(model.run.targets.known) == {"red", "blue"}


def test_scores_do_not_depend_on_the_batch_or_the_order():
    rows = [("red", "red"), *colours(8), ("the blue dog is here . the cat runs", "blue")]
    model = BundledModel(SETTINGS, steps=1, seed=0)
    together = model.scores(Target(COLOUR_TASK, rows, COLOUR_TASK.answers))
    single = [model.scores(Target(COLOUR_TASK, [row], COLOUR_TASK.answers))[0] for row in rows]
    assert together == pytest.approx(np.array(single), abs=1e-5)


def test_a_sweep_with_the_bundled_learner(tmp_path):
    target = Target(COLOUR_TASK, colours(8)[4:], COLOUR_TASK.answers, colours(4))
    pool = [PoolTask("again", COLOUR_TASK.instructions, "C", "z", ("red", "blue")), FREE_TASK]
    examples = {"again": colours(4), "animal": [(f"the {animal} runs", animal) for animal in ANIMALS]}
    learner = bundled_learner(SETTINGS, [COLOUR_TASK, *pool], examples)
    plan = SweepPlan((1,), 80, seeds=1, draws=1, own=1)
    results = run_sweep([target], pool, examples, about_colours, learner, tmp_path, plan)
    found = {r.way: r for r in results}
    assert list(found) == ["untrained", "random", "all", "selected", "own"]
    assert found["selected"].accuracy == found["own"].accuracy == 1
    assert (found["untrained"].k, found["untrained"].examples) == (0, 0)
    assert all(SETTINGS.start in r.settings for r in results)
