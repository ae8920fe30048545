"""The bundled model's training: what it reads, what it changes, that it resumes, and that its result loads."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_bundled import ANIMALS, COLOURS, write_start

from answerspace.backbones.bundled import load_bundled
from answerspace.embedder import Embedder
from answerspace.errors import InputError
from answerspace.training.answer_words import content_words
from answerspace.training.bundled import Run
from answerspace.training.dev_retrieval import pairs_in_order
from answerspace.training.objective import contrast_loss, criteria_loss, losses
from answerspace.training.recipe import DataRecipe, LossRecipe, Recipe, TrainRecipe, read_recipe
from answerspace.training.rows import Asked, batches, is_dev, read_rows
from answerspace.training.whole_run import train_bundled


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_start(tmp_path_factory.mktemp("start"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every colour with every animal, two questions a text; one source is not open."""
    folder = tmp_path_factory.mktemp("data")
    rows = []
    for colour in COLOURS:
        for animal in ANIMALS:
            for verb in ("runs", "is here"):
                text = f"the {colour} {animal} {verb}."
                rows.append({"source": "animals", "text": text, "question": "what colour?", "answer": colour})
                rows.append({"source": "animals", "text": text, "question": "which animal?", "answer": f"a {animal}"})
    rows.append({"source": "secret", "text": "the secret cat", "question": "what?", "answer": "cat"})
    (folder / "qa.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (folder / "sources.csv").write_text("file,source,class\nqa,animals,open\nqa,secret,restricted\n")
    return folder


def recipe_for(start: Path, steps: int) -> Recipe:
    return Recipe(
        start=str(start),
        data=DataRecipe(files=["qa.jsonl"], dev_share=0.2),
        train=TrainRecipe(texts_per_batch=16, steps=steps, warmup_steps=5, learning_rate=5e-3, memory=8),
        seed=3,
    )


def test_only_open_sources_are_read_and_dev_texts_are_held_apart(start: Path, data: Path) -> None:
    rows = read_rows(data, recipe_for(start, 1).data)
    assert set(rows.train) == {"animals"}
    trained = {asked.text for asked in rows.train["animals"]}
    held = {asked.text for asked in rows.dev}
    assert held
    assert len(trained | held) == 32
    assert not trained & held
    assert all(is_dev(text, 0.2) for text in held)


def test_batches_follow_from_seed_and_epoch_alone_and_lose_no_text(start: Path, data: Path) -> None:
    recipe = recipe_for(start, 1)
    rows = read_rows(data, recipe.data)
    once, again, later = batches(rows, recipe, 0), batches(rows, recipe, 0), batches(rows, recipe, 1)
    assert once == again != later
    assert sorted(a.text for batch in once for a in batch) == sorted(a.text for a in rows.train["animals"])


def test_a_cap_counts_questions(start: Path, data: Path) -> None:
    recipe = recipe_for(start, 1)
    recipe = replace(recipe, data=replace(recipe.data, caps={"animals": 7}))
    made = batches(read_rows(data, recipe.data), recipe, 0)
    assert sum(len(a.qa) for batch in made for a in batch) == 8  # the text that reaches 7 counts whole


def test_training_learns_and_leaves_the_reader_alone(start: Path, data: Path, tmp_path: Path) -> None:
    """Chance of the nearest of 8 dev answers is 1 in 8 per colour or animal; the trained asker must do far better."""
    recipe = recipe_for(start, 150)
    run = Run(recipe, read_rows(data, recipe.data), tmp_path)
    before = {name: p.clone() for name, p in run.network.named_parameters()}
    run.train()
    after = dict(run.network.named_parameters())
    frozen = [name for name in before if name.startswith(("reader.", "embeddings."))]
    assert frozen
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert not torch.equal(before["asker.0.query.weight"], after["asker.0.query.weight"])
    assert run.dev_scores()["dev_accuracy"] > 0.7
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    contrast = [entry["contrast"] for entry in log if "contrast" in entry]
    assert contrast[-1] < contrast[0] / 2


def test_a_stopped_run_resumes_bit_for_bit(start: Path, data: Path, tmp_path: Path) -> None:
    recipe = recipe_for(start, 9)
    rows = read_rows(data, recipe.data)
    whole = Run(recipe, rows, tmp_path / "whole")
    whole.train()
    Run(recipe, rows, tmp_path / "parts").train(until_step=4)
    rest = Run(recipe, rows, tmp_path / "parts")
    rest.train()
    assert rest.state.step == whole.state.step == 9
    for a, b in zip(whole.network.parameters(), rest.network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_run_ends_in_a_folder_that_loads_on_every_engine(start: Path, data: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'start = "{start}"\nseed = 1\n[data]\nfiles = ["qa.jsonl"]\n[train]\nsteps = 3\ntexts_per_batch = 8\n'
    )
    folder = train_bundled(recipe, data, tmp_path / "out")
    card = (folder / "README.md").read_text()
    assert "3 steps" in card
    assert "secret" not in card
    texts, question = ["the red cat runs.", "the blue dog is here"], "what colour?"
    torch_made = Embedder(load_bundled(folder, engine="torch")).ask_and_answer(texts, [question])[0]
    onnx_made = Embedder(load_bundled(folder, engine="onnx")).ask_and_answer(texts, [question])[0]
    np.testing.assert_allclose(onnx_made.vectors, torch_made.vectors, atol=2e-3)  # keys and values in half precision
    assert onnx_made.answers == torch_made.answers


def test_equal_answers_are_no_negatives() -> None:
    """With every other answer equal to the own one nothing is left to contrast with: the loss is exactly 0."""
    target = torch.nn.functional.normalize(torch.ones(3, 4), dim=-1)
    vectors = torch.nn.functional.normalize(torch.randn(3, 4), dim=-1)
    assert contrast_loss(vectors, target, target, LossRecipe()).item() == 0.0


def test_contrast_is_lower_for_the_right_answers() -> None:
    targets = torch.eye(3)
    right = contrast_loss(targets, targets, targets[:0], LossRecipe())
    wrong = contrast_loss(targets.roll(1, 0), targets, targets[:0], LossRecipe())
    assert right < 1e-6
    assert wrong > 10


@pytest.mark.parametrize(
    ("answer", "kept"),
    [("In the kitchen.", "kitchen"), ("not good", "not good"), ("No", "no"), ("She is", "she is"), ("!", "!")],
)
def test_content_words(answer: str, kept: str) -> None:
    assert content_words(answer) == kept


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('start = "x"\n[data]\nfiles = []\n[train]\nsteps = 1\nspeed = 3\n', "train has no field 'speed'"),
        ('start = "x"\n[data]\nfiles = ["qa.jsonl"]\n', "must set train.minutes or train.steps"),
        ("start = \n", "must be valid TOML"),
        ('start = "x"\n[data]\n[train]\nsteps = 1\n', "must set data.files or data.source"),
    ],
)
def test_a_bad_recipe_is_refused_in_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        read_recipe(path)


def test_missing_training_data_is_refused(start: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must exist"):
        read_rows(tmp_path, recipe_for(start, 1).data)


def test_an_unknown_start_model_is_refused(tmp_path: Path) -> None:
    recipe = replace(recipe_for(tmp_path, 1), start="no_such_package")
    rows = type("Rows", (), {"train": {"a": [Asked("a", "t", (("q", "a"),))]}, "dev": []})()
    with pytest.raises(InputError, match="folder or an installed package"):
        Run(recipe, rows, tmp_path)


def test_answers_of_one_criterion_are_told_apart_and_others_left_alone() -> None:
    criteria = torch.tensor([0, 0, 0, 0, 1])
    same = torch.tensor([0, 0, 1, 1, 0])[:, None] == torch.tensor([0, 0, 1, 1, 0])[None, :]
    sorted_out = torch.eye(3)[[0, 0, 1, 1, 0]]
    mixed_up = torch.eye(3)[[0, 1, 0, 1, 0]]
    assert criteria_loss(sorted_out, criteria, same, 0.1) < 0.01
    assert criteria_loss(mixed_up, criteria, same, 0.1) > 5
    moved = sorted_out.clone()
    moved[4] = -moved[4]  # alone under its criterion: takes no part
    assert criteria_loss(moved, criteria, same, 0.1) == criteria_loss(sorted_out, criteria, same, 0.1)
    assert criteria_loss(sorted_out, torch.arange(5), same, 0.1) == 0


def test_the_criteria_s_switch_frees_alike_words_from_their_likeness() -> None:
    """Targets of "yes" and "no" have a cosine of 0.72: as relations they may stay so only while the switch is off."""
    near = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [0.72, 0.69]]), dim=1)
    apart, words = torch.eye(2), torch.tensor([[0], [0]])
    arguments = (torch.zeros(0, 2), torch.zeros(2, 1, 3), words, torch.tensor([0, 0]))
    off = losses(apart, near, *arguments, LossRecipe())
    on = losses(apart, near, *arguments, LossRecipe(criteria=1.0))
    assert off.relations > 0.2
    assert on.relations < 1e-3
    one_each = losses(apart, near, *arguments[:3], torch.tensor([0, 1]), LossRecipe(criteria=1.0))
    assert one_each.relations > 0.2


def test_pairs_in_order_counts_what_clustering_needs() -> None:
    truth = torch.tensor([0, 0, 1, 1])
    assert pairs_in_order(torch.eye(2)[[0, 0, 1, 1]], truth) == [1.0]
    assert pairs_in_order(torch.eye(2)[[0, 1, 0, 1]], truth) == [0.0]
    assert pairs_in_order(torch.eye(2), torch.tensor([0, 1])) == []
