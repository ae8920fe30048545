"""The benchmark's files, IIS-hard, the scores and the tables, on a small benchmark written here."""

import json

import numpy as np
import pytest
from command_line import Runner

from answerspace.backbones.fake import FakeBackbone
from answerspace.embedder import Embedder
from answerspace.errors import InputError
from answerspace.evaluation.suites import select_tasks
from answerspace.evaluation.tasks.content import read_content
from answerspace.evaluation.tasks.rows import Data
from answerspace.instructions.benchmark import Labelled, distinct_texts, hard_pairs, read_benchmark
from answerspace.instructions.benchmark_run import evaluate_instructions, score_tables
from answerspace.instructions.lexical_baselines import LEXICAL, ParserOnlyEncoder
from answerspace.instructions.rewordings import NOUNS, VERBS, reword
from answerspace.instructions.task_embedding import TaskEncoder, Weights, pair_vectors
from answerspace.instructions.task_labels import TaskLabel
from answerspace.instructions.task_scores import ict_scores, pair_scores, purity
from answerspace.similarity import cosine, unit_rows

PAIRS = [
    ("write", "story"),
    ("write", "poem"),
    ("find", "word"),
    ("find", "example"),
    ("describe", "person"),
    ("list", "example"),
]
THINGS = ["rain", "the old bridge", "a long winter", "two brothers", "music"]
TEXTS = {pair: [f"{pair[0].capitalize()} one {pair[1]} about {thing}." for thing in THINGS] for pair in PAIRS}


def direction(words):
    """A unit vector of its own for every string."""
    drawn = np.random.default_rng(list(words.encode())).standard_normal(64)
    return drawn / np.linalg.norm(drawn)


class WordsOfTheTask:
    """An extractor that knows the form of the texts above, reworded or not: verb one noun about ..."""

    def labels(self, instructions):
        return [[TaskLabel(text.split()[0].lower(), text.split()[2].lower().rstrip("."))] for text in instructions]


class Gold:
    """Knows the label of every text; of reworded ones by the words that stand for others."""

    def encode(self, texts, *, instruction):
        known = {(VERBS[verb], NOUNS[noun]): (verb, noun) for verb, noun in PAIRS}
        pairs = [(text.split()[0].lower(), text.split()[2]) for text in texts]
        return np.stack([direction("|".join(known.get(pair, pair))) for pair in pairs])


@pytest.fixture
def folder(tmp_path):
    grouped = {
        f"{verb}|{noun}": {
            "number": len(texts),
            "samples": [{"category": [verb, noun], "instruction": text, "input": "", "output": ""} for text in texts],
        }
        for (verb, noun), texts in TEXTS.items()
    }
    first = grouped["write|story"]["samples"]
    first.append(dict(first[0], instruction=first[0]["instruction"] + " "))
    pairs = [
        {"instruction1": a[0], "intention1": "x|y", "instruction2": b[1], "intention2": "x|y", "label": int(a is b)}
        for a in TEXTS.values()
        for b in TEXTS.values()
    ]
    for name, content in (("eft_test", grouped), ("ift_test", grouped), ("intention_similarity_test", pairs)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return tmp_path


def test_the_files_are_read_and_texts_are_told_apart_by_more_than_white_space(folder):
    benchmark = read_benchmark(folder)
    assert len(benchmark.eft) == 31
    assert len(distinct_texts(benchmark.eft)) == 30
    assert benchmark.eft[0].pair == TaskLabel("write", "story")
    assert sum(pair.same for pair in benchmark.iis) == 6
    assert len(benchmark.iis) == 36


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("eft_test", "[", "must be a readable JSON file"),
        ("eft_test", "[]", "must hold an object of labels. Got list"),
        ("eft_test", '{"a|b": []}', "must hold a list 'samples'. Got NoneType"),
        ("ift_test", '{"a|b": {"samples": [{"category": ["a"]}]}}', "sample 1: must hold 'instruction' and 'category'"),
        ("intention_similarity_test", "{}", "must hold a list of pairs. Got dict"),
        ("intention_similarity_test", '[{"instruction1": "a"}]', "pair 1: must hold instruction1"),
        ("intention_similarity_test", None, "must exist. Got no such file; check --data"),
    ],
)
def test_a_broken_file_is_named(folder, name, content, said):
    path = folder / f"{name}.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_benchmark(folder)
    assert said in str(caught.value)
    assert f"{name}.json" in str(caught.value)


def test_the_hard_pairs_share_a_word_when_negative_and_neither_when_positive():
    rows = [Labelled(text, TaskLabel(*pair), "|".join(pair)) for pair, texts in TEXTS.items() for text in texts]
    pairs = hard_pairs(rows, count=40)
    by_text = {row.text: row for row in rows}
    assert pairs == hard_pairs(rows, count=40)
    assert {pair.same for pair in pairs} == {True, False}
    for pair in pairs:
        first = by_text[pair.first].pair
        if pair.same:
            assert first.verb not in pair.second.lower()
            assert first.noun not in pair.second.lower()
        else:
            second = by_text[pair.second].pair
            assert (first.verb == second.verb) != (first.noun == second.noun)


def test_rewording_keeps_forms_and_needs_both_words():
    import random

    rng = random.Random(0)
    assert reword("Write two STORIES, then write.", TaskLabel("write", "story"), rng) == "Draft two Tales, then draft."
    assert reword("Writing stories.", TaskLabel("write", "story"), rng) is None
    assert reword("Write a ode.", TaskLabel("write", "ode"), rng) is None


def test_the_evaluate_command_has_the_tests_as_a_suite(folder):
    data = Data(folder)
    ict, iis = select_tasks(["instructions"], data)
    [clusters] = read_content(ict, data)
    assert len(clusters.texts) == 31
    assert set(clusters.labels) == {"|".join(pair) for pair in PAIRS}
    pairs = read_content(iis, data)
    assert pairs.first[0] == TEXTS["write", "story"][0]
    assert sum(pairs.ratings) == 6


# --- scores ------------------------------------------------------------------------------------------------------


def test_purity_by_hand():
    """Clusters {a, a, b}, {b}: 2 + 1 of 4 carry their cluster's most frequent label."""
    assert purity([0, 0, 1, 1], [0, 0, 0, 1]) == 0.75


def test_perfect_vectors_score_one_and_constant_ones_nothing():
    labels = [label for label in "abcd" for _ in range(5)]
    perfect = ict_scores(np.stack([direction(label) for label in labels]), labels, seeds=3)
    names = ("ari", "purity", "homogeneity", "v", "silhouette gold")
    assert [perfect[name] for name in names] == pytest.approx([1] * 5)
    assert perfect["ari sd"] == 0
    rng = np.random.default_rng(0)
    assert abs(ict_scores(rng.standard_normal((20, 8)), labels, seeds=3)["ari"]) < 0.5


def test_the_cap_of_spearman_is_reached_by_a_perfect_order():
    same = [True] * 3 + [False] * 7
    scores = pair_scores(np.array([0.9, 0.8, 0.7, *np.linspace(0, 0.5, 7)], np.float32), same)
    assert scores["auc"] == 1
    assert scores["cap"] == pytest.approx(np.sqrt(3 * 0.3 * 0.7))
    assert scores["spearman"] == pytest.approx(scores["cap"], rel=0.02)


def test_a_run_has_every_row_and_test_and_goes_on_from_what_is_done(folder):
    benchmark = read_benchmark(folder)
    encoders = {**LEXICAL, "parser-only": lambda: ParserOnlyEncoder(WordsOfTheTask()), "gold": Gold}
    kept = []
    run = evaluate_instructions(encoders, benchmark, seeds=2, keep=lambda found: kept.append(len(found)))
    assert list(run) == list(encoders)
    assert run["parser-only"]["ict de-duplicated"]["ari"] == pytest.approx(1)
    assert run["parser-only"]["iis"]["auc"] == 1
    assert run["gold"]["iis-hard"]["auc"] == 1
    assert all(run[name]["iis-hard"]["auc"] < 0.5 for name in LEXICAL)
    assert run["parser-only"]["iis-hard"]["auc"] < 0.5
    assert len(kept) == 5 * 4

    def never():
        raise AssertionError("a finished row is not made again")

    assert evaluate_instructions({"gold": never}, benchmark, seeds=2, done=run) == run
    table = score_tables(run)
    assert table.count("| gold |") == 4
    assert "Spearman is at most" in table
    with pytest.raises(InputError, match="--test must be one of ict"):
        evaluate_instructions({}, benchmark, tests=["all"])


# --- the task embedding ------------------------------------------------------------------------------------------


def test_the_cosine_of_two_pairs_is_about_the_product_of_the_words_cosines():
    """1024 random products: the error's deviation is below 3 / sqrt(1024) = 0.1; a mean of 50 is within 0.05."""
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(50):
        a, b, c, d = unit_rows(rng.standard_normal((4, 16)).astype(np.float32))
        found = pair_vectors(np.stack([a, unit_rows((a + b)[None])[0]]), np.stack([c, unit_rows((c + d)[None])[0]]))
        wanted = float(a @ unit_rows((a + b)[None])[0]) * float(c @ unit_rows((c + d)[None])[0])
        errors.append(float(found[0] @ found[1]) - wanted)
    assert abs(np.mean(errors)) < 0.05
    assert np.std(errors) < 0.1


def test_task_vectors_are_alike_for_one_task_and_do_not_depend_on_the_others():
    encoder = TaskEncoder(Embedder(FakeBackbone()), WordsOfTheTask())
    texts = [text for texts in TEXTS.values() for text in texts]
    vectors = encoder.encode(texts)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(vectors[[7]], encoder.encode([texts[7]]), atol=1e-6)
    story, poem, word = vectors[0:5], vectors[5:10], vectors[10:15]
    assert cosine(story[:1], story[1:2]) > cosine(story[:1], poem[:1]) + 0.2
    assert cosine(story[:1], poem[:1]) > cosine(story[:1], word[:1])
    assert encoder.encode([]).shape[0] == 0
    only_pairs = TaskEncoder(Embedder(FakeBackbone()), WordsOfTheTask(), Weights(words=0, answer=0))
    assert cosine(*np.split(only_pairs.encode(texts[:2]), 2)) == pytest.approx(1)


# --- the command -------------------------------------------------------------------------------------------------


def test_evaluate_prints_tables_keeps_scores_and_goes_on(folder, capsys):
    command = Runner(capsys)
    arguments = [
        "instructions",
        "evaluate",
        "--data",
        folder,
        "--seeds",
        1,
        "--row",
        "tfidf-words",
        "--output",
        folder / "s.json",
    ]
    done = command(*arguments)
    assert done.code == 0, done.err
    assert "**iis-hard**" in done.out
    assert "tfidf-words, ict: scored in" in done.err
    kept = json.loads((folder / "s.json").read_text())
    assert set(kept["scores"]["tfidf-words"]) == {"ict", "ict de-duplicated", "iis", "iis-hard"}
    again = command(*arguments)
    assert "scored in" not in again.err
    assert again.out == done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "none"], "--data must be a folder with eft_test.json"),
        (["--row", "best"], "--row must be one of tfidf-words"),
        (["--row", "tfidf-words", "--test", "x"], "--test must be one of ict"),
    ],
)
def test_bad_options_are_one_sentence(folder, capsys, arguments, said):
    given = arguments if "--data" in arguments else ["--data", folder, *arguments]
    done = Runner(capsys)("instructions", "evaluate", *given)
    assert done.code == 2
    assert said in done.err
