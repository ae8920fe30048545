"""What a recipe may ask of its data: passages, written families, thinned answers, the text as its own answer."""

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_bundled import write_start

from answerspace.errors import InputError
from answerspace.training.batch import NO_WORD
from answerspace.training.bundled import Run
from answerspace.training.families import Family, read_families
from answerspace.training.passages import passage_of, passages
from answerspace.training.recipe import DataRecipe, Recipe, TrainRecipe
from answerspace.training.rows import GENERIC_QUESTIONS, ITSELF, Asked, Rows, batches, read_rows

FAMILY = {
    "criteria": {"animal": ["which animal?", "animal?"], "colour": ["what colour?", "colour?"]},
    "texts": [
        ["the red cat runs", {"animal": "cat", "colour": "red"}],
        ["the blue cat runs", {"animal": "cat", "colour": "blue"}],
        ["the red dog runs", {"animal": "dog", "colour": "red"}],
        ["a dog", {"animal": "dog"}],
    ],
}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_start(tmp_path_factory.mktemp("start"))


def write_families(path: Path, *families: object) -> Path:
    path.write_text("\n".join(json.dumps(family) for family in families))
    return path


def recipe_for(start: Path, data: DataRecipe, **train: object) -> Recipe:
    values = {"texts_per_batch": 4, "group": 2, "steps": 3, "warmup_steps": 1, "memory": 4} | train
    return Recipe(str(start), data, TrainRecipe(**values), seed=5)  # type: ignore[arg-type]


@pytest.mark.parametrize("letters", [5, 12, 40])
def test_passages_keep_every_word_and_the_limit(letters: int) -> None:
    text = "The red cat ran away. A dog, blue and old, slept!\nWhere was the horse? Nobody knew"
    parts = passages(text, letters)
    assert all(len(part) <= letters for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_a_question_is_asked_of_the_passage_with_its_answer() -> None:
    parts = ["The cat is red.", "The horse ate the red apple.", "Nothing here."]
    assert passage_of(parts, "What did the horse eat?", "Red apple") == parts[1]
    assert passage_of(parts, "Which colour has the cat?", "red") == parts[0]
    assert passage_of(parts, "Who?", "Napoleon") is None


def test_rows_of_a_long_text_whose_answer_is_nowhere_are_left_out(tmp_path: Path) -> None:
    long = "The cat is red. " * 3 + "The dog is blue. " + "Nothing. " * 20
    rows = [
        {"source": "s", "text": long, "question": "Which colour has the dog?", "answer": "blue"},
        {"source": "s", "text": long, "question": "Who paid?", "answer": "the king"},
    ]
    (tmp_path / "qa.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    whole = read_rows(tmp_path, DataRecipe(files=["qa.jsonl"], dev_share=0.0))
    cut = read_rows(tmp_path, DataRecipe(files=["qa.jsonl"], dev_share=0.0, letters=40))
    assert [len(asked.qa) for asked in whole.train["s"]] == [2]
    (only,) = cut.train["s"]
    assert only.qa == (("Which colour has the dog?", "blue"),)
    assert "blue" in only.text
    assert len(only.text) <= 40


def test_one_answer_never_exceeds_its_share(start: Path) -> None:
    texts = [Asked("moods", f"text {i}", (("mood?", "neutral" if i < 60 else f"m{i}"),)) for i in range(100)]
    data = DataRecipe(files=[], answer_shares={"moods": 0.1})
    made = batches(Rows({"moods": texts}, []), recipe_for(start, data), 0)
    seen = Counter(answer for batch in made for asked in batch for _, answer in asked.qa)
    assert seen["neutral"] == 10
    assert sum(seen.values()) == 50


def test_families_bring_every_text_in_changing_wordings(start: Path, tmp_path: Path) -> None:
    path = write_families(tmp_path / "f.jsonl", FAMILY)
    data = DataRecipe(files=[], families=[str(path)], family_dev_share=0.0, family_repeats=2, questions_per_text=1)
    rows = read_rows(tmp_path, data)
    recipe = recipe_for(start, data)
    drawn = [asked for epoch in range(20) for batch in batches(rows, recipe, epoch) for asked in batch]
    assert Counter(asked.text for asked in drawn) == {text: 40 for text, _ in FAMILY["texts"]}
    assert {len(asked.qa) for asked in drawn} == {1}
    assert {question for asked in drawn for question, _ in asked.qa} == {
        wording for wordings in FAMILY["criteria"].values() for wording in wordings
    }
    truth = {"the blue cat runs": {"cat", "blue"}, "a dog": {"dog"}}
    assert all(asked.qa[0][1] in truth.get(asked.text, {"cat", "dog", "red"}) for asked in drawn)
    assert batches(rows, recipe, 3) == batches(rows, recipe, 3)


def test_held_families_are_scored_and_never_trained_on(start: Path, tmp_path: Path) -> None:
    path = write_families(tmp_path / "f.jsonl", FAMILY)
    data = DataRecipe(files=[], families=[str(path)], family_dev_share=1.0)
    rows = read_rows(tmp_path, data)
    assert rows.families == []
    assert len(rows.dev_families) == 1
    scores = Run(recipe_for(start, data), rows, tmp_path / "run").family_scores()
    assert scores["family_chance"] == 0.5
    assert 0 <= scores["family_accuracy"] <= 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1 must be a family"),
        ('{"criteria": {}}', "line 1 must be a family"),
        ('{"criteria": {"a": ["A?"]}, "texts": [["t", {"b": "x"}]]}', "every answer must belong to a criterion. 'b'"),
    ],
)
def test_a_bad_family_is_named_by_file_and_line(line: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "f.jsonl").write_text(line)
    with pytest.raises(InputError, match=said):
        read_families(tmp_path / "f.jsonl")


def test_the_text_itself_as_answer_has_its_own_vector_as_target_and_no_words(start: Path, tmp_path: Path) -> None:
    recipe = recipe_for(start, DataRecipe(files=[]))
    run = Run(recipe, Rows({}, []), tmp_path)
    batch = run.maker([Asked("a", "the red cat", (("colour?", "red"), (GENERIC_QUESTIONS[0], ITSELF)))])
    assert batch.words[1].tolist() == [NO_WORD] * 3
    with torch.no_grad():
        _, _, pooled = run.answer_vectors(batch)
        targets = run.targets(batch.answers, pooled)
    torch.testing.assert_close(targets[1], run.targets(["the red cat"])[0])
    assert not torch.allclose(targets[0], targets[1])


def test_a_generic_share_adds_one_question_to_that_share_of_texts(start: Path) -> None:
    texts = [Asked("s", f"text {i}", (("q?", "a"),)) for i in range(1000)]
    made = batches(Rows({"s": texts}, []), recipe_for(start, DataRecipe(files=[], generic=0.2)), 0)
    generic = sum(answer == ITSELF for batch in made for asked in batch for _, answer in asked.qa)
    assert 150 < generic < 250  # 200 expected, standard deviation 13


def test_all_weights_are_trained_when_the_recipe_says_so(start: Path, tmp_path: Path) -> None:
    texts = [Asked("s", f"the {c} cat", (("what colour?", c),)) for c in ("red", "blue", "green", "black")] * 3
    recipe = recipe_for(start, DataRecipe(files=[], dev_share=0.0))
    recipe = replace(recipe, train=replace(recipe.train, weights="all"))
    run = Run(recipe, Rows({"s": texts}, []), tmp_path)
    before = {name: p.clone() for name, p in run.network.named_parameters()}
    target = run.targets(["red"]).clone()
    run.targets.known.clear()
    run.train()
    after = dict(run.network.named_parameters())
    assert not torch.equal(before["reader.0.query.weight"], after["reader.0.query.weight"])
    torch.testing.assert_close(run.targets(["red"]), target)  # the targets stay the start model's


def test_wordings_are_drawn_from_the_criterion_asked() -> None:
    family = Family({"mood": ("Mood?", "How?")}, (("t", {"mood": "sad"}),))
    rows = [next(family.wordings(random.Random(i), 3)) for i in range(20)]
    assert {qa[0] for _, qa, _ in rows} == {("Mood?", "sad"), ("How?", "sad")}
    assert len({asked_for for _, _, asked_for in rows}) == 1  # one criterion, whatever its wording
