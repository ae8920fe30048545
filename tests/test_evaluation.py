from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from answerspace import InputError
from answerspace.cli.main import run
from answerspace.evaluation.baselines import GoldEncoder, RandomEncoder, make_baseline
from answerspace.evaluation.published import INSTRUCTIONS, evaluate_published, read_published
from answerspace.evaluation.score_table import report_table, write_table
from answerspace.evaluation.scores import (
    Score,
    bootstrap,
    clustering_scores,
    harmonic_mean,
    over_seeds,
    pair_spearman,
    triplet_success,
)
from answerspace.evaluation.tasks import vectors_of
from answerspace.evaluation.written import evaluate_written, read_written
from answerspace.protocols import Encoder

DATA = Path(__file__).parent / "data" / "written_small"


class Blind:
    """Ignores the question."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[str], str]] = []

    def encode(self, texts, *, instruction):
        self.calls.append((list(texts), instruction))
        return RandomEncoder(16).encode(texts, instruction="")


class Gold:
    """The gold answers plus a little noise that depends on text and question, so that nothing ties by accident."""

    def __init__(self, suite):
        self.gold = GoldEncoder.of(suite)

    def encode(self, texts, *, instruction):
        noise = RandomEncoder(self.gold.dimension).encode(texts, instruction=instruction)
        return self.gold.encode(texts, instruction=instruction) + 0.01 * noise


@pytest.fixture(scope="module")
def suite():
    return read_written(DATA)


# --- scores ------------------------------------------------------------------------------------------------------


def test_a_tie_between_positive_and_negative_fails():
    anchor = np.array([[1, 0], [1, 0], [1, 0], [0, 0]], np.float32)
    positive = np.array([[1, 0], [0, 1], [1, 1], [1, 0]], np.float32)
    negative = np.array([[0, 1], [1, 0], [1, 1], [0, 1]], np.float32)
    assert triplet_success(anchor, positive, negative).tolist() == [True, False, False, False]


@pytest.mark.parametrize(("a", "b", "mean"), [(1.0, 1.0, 1.0), (0.5, 0.5, 0.5), (0.75, 0.25, 0.375), (1.0, 0.0, 0.0)])
def test_harmonic_mean(a, b, mean):
    assert harmonic_mean(a, b) == pytest.approx(mean, abs=3e-8)  # the 1e-8 moves it by at most twice that


@pytest.mark.parametrize(
    ("different", "same", "score"),
    [
        ([0.1, 0.1], [0.9, 0.9], 100.0),
        ([0.9, 0.9], [0.1, 0.1], -100.0),
        ([0.3, 0.7, 0.7], [0.3, 0.7, 0.7], 0.0),
        ([0.5, 0.5], [0.5, 0.5], 0.0),
        ([0.1, 0.2], [0.3, 0.4], 100 * 4 / np.sqrt(5 * 4)),  # ranks 1-4: sum of products 2, variances 5 and 1
    ],
)
def test_pair_spearman_by_hand(different, same, score):
    assert pair_spearman(np.array(different), np.array(same)) == pytest.approx(score)


def test_clustering_scores_know_a_perfect_grouping_and_one_vector_for_all():
    vectors = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    labels = [name for name in "abc" for _ in range(4)]
    assert clustering_scores(vectors, labels, seeds=2).tolist() == [100, 100]
    assert clustering_scores(np.ones((12, 3), np.float32), labels, seeds=2).tolist() == [0, 0]


def test_over_seeds_is_mean_and_sd():
    score = over_seeds(np.array([10.0, 20.0, 30.0]))
    assert (score.value, score.low, score.high) == (20, 10, 30)
    assert over_seeds(np.array([5.0])).low == 5


def test_bootstrap_interval_of_a_mean():
    """Of 400 zeros and ones in equal number the mean has an sd of 0.5 / 20 = 0.025: the interval is about 0.1 wide."""
    values = np.arange(400) % 2
    score = bootstrap(lambda rows: float(values[rows].mean()), 400)
    assert score.value == 0.5
    assert 0.08 < score.high - score.low < 0.12
    assert score == bootstrap(lambda rows: float(values[rows].mean()), 400)


# --- the written sets --------------------------------------------------------------------------------------------


def test_an_encoder_that_ignores_the_question_scores_exactly_0_on_pairs(suite):
    scores = evaluate_written(Blind(), suite, seeds=1)
    assert (scores["pairs"].value, scores["pairs"].low, scores["pairs"].high) == (0, 0, 0)
    # per item, one triplet of emotion and one of intent compare the same two distances the other way round
    assert scores["emotion"].value + scores["intent"].value == pytest.approx(100)


@pytest.mark.parametrize("centre", [False, True])
def test_gold_answers_score_100(suite, centre):
    scores = evaluate_written(Gold(suite), suite, seeds=2, centre=centre)
    wanted = {"triplets", "emotion", "intent", "pairs", "mean V", "V notes.place", "V notes.mood"}
    assert set(scores) == wanted
    for measure, score in scores.items():
        low = 85 if measure == "pairs" else 99.99  # no ties on either side: at most sqrt(3)/2 = 86.6 in the limit
        assert score.value > low, measure


def test_chance_is_near_0_v():
    """900 random vectors in 4 groups: V is about the share (3 * 3 / 2) / 900 / ln 4 = 0.4 % that chance explains."""
    texts = [f"text {i}" for i in range(900)]
    vectors = RandomEncoder(8).encode(texts, instruction="What?")
    assert clustering_scores(vectors, ["abcd"[i % 4] for i in range(900)], seeds=1)[0] < 1


def test_equal_texts_are_encoded_once(suite):
    encoder = Blind()
    rows = vectors_of(encoder, ["a", "b", "a"], "What?")
    assert encoder.calls == [(["a", "b"], "What?")]
    assert (rows[0] == rows[2]).all()
    evaluate_written(encoder, suite, seeds=1)
    assert all(len(set(texts)) == len(texts) for texts, _ in encoder.calls)


def test_every_question_reaches_the_encoder_as_written(suite):
    encoder = Blind()
    evaluate_written(encoder, suite, seeds=1)
    asked = {question for _, question in encoder.calls}
    assert {"How does the customer feel?", "What does the customer need?", "Where does it happen?"} <= asked
    assert {pair.q_diff for pair in suite.pairs} | {pair.q_same for pair in suite.pairs} <= asked
    assert "Anything else?" not in asked


def test_an_encoder_of_the_wrong_shape_is_refused(suite):
    class Flat:
        def encode(self, texts, *, instruction):
            return np.zeros(len(texts), np.float32)

    with pytest.raises(InputError, match="one vector per text"):
        evaluate_written(Flat(), suite)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("notes.jsonl", None, r"notes\.jsonl must exist"),
        ("notes.jsonl", lambda s: s.replace('"calm"', '"clam"', 1), r"notes\.jsonl, row 1: 'mood' must be one of calm"),
        ("notes.jsonl", lambda s: s + "{\n", r"notes\.jsonl, row 13: must be valid JSON"),
        ("notes.jsonl", lambda s: "\n", r"notes\.jsonl must have at least one row"),
        ("instruct_sts.jsonl", lambda s: s.replace('"q_same"', '"q"', 1), r"instruct_sts\.jsonl, row 1: 'q_same'"),
        ("intent_emotion.jsonl", lambda s: s + "[]\n", r"intent_emotion\.jsonl, row 4: must be a JSON object"),
        ("criteria.json", lambda s: "[]", r"criteria\.json must hold a JSON object"),
        ("criteria.json", lambda s: s.replace('"question"', '"q"'), r"criterion 'notes\.place': 'question'"),
        ("criteria.json", lambda s: s.replace('"field": "mood"', '"field": "tone"'), r"row 1: 'tone'"),
    ],
)
def test_bad_data_is_refused_by_file_and_row(tmp_path, file, change, message):
    folder = shutil.copytree(DATA, tmp_path / "written")
    path = folder / file
    if change is None:
        path.unlink()
    else:
        path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=message):
        read_written(folder)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="must be a folder"):
        read_written(tmp_path / "nowhere")


# --- published sets, baselines, the table ------------------------------------------------------------------------


def test_published_sets_are_asked_at_the_authors_instructions(tmp_path):
    for name in INSTRUCTIONS:
        rows = [{"text": f"{name} {i}", "cluster": f"c{i % 2}"} for i in range(6)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sets = read_published(tmp_path)
    gold = GoldEncoder({(one.question, t): k for one in sets for t, k in zip(one.texts, one.labels, strict=True)})
    scores = evaluate_published(gold, sets, seeds=1)
    assert {name: score.value for name, score in scores.items()} == {f"V {name}": 100 for name in INSTRUCTIONS}


def test_random_encoder_depends_on_text_and_question_alone():
    encoder = RandomEncoder(8)
    assert isinstance(encoder, Encoder)
    both = encoder.encode(["a", "b"], instruction="q")
    assert (both[1] == encoder.encode(["b"], instruction="q")[0]).all()
    assert (both[0] != encoder.encode(["a"], instruction="r")[0]).any()
    assert encoder.encode([], instruction="q").shape == (0, 8)


def test_an_unknown_baseline_lists_the_names():
    with pytest.raises(InputError, match="minilm, minilm-prefix, minilm-suffix, random"):
        make_baseline("bert")


def test_one_table_holds_every_encoder_and_measure(tmp_path):
    scores = {
        "ours": {"pairs": Score(30, 25, 35, "interval"), "mean V": Score(31.25, 31, 31.5, "seeds")},
        "chance": {"pairs": Score(0, -1, 1, "interval")},
    }
    lines = report_table(scores).splitlines()
    assert lines[2].split("|")[1:-1] == [" pairs  ", " 30.0 [25.0, 35.0] ", " 0.0 [-1.0, 1.0] "]
    assert lines[3].endswith("| -               |")
    paths = write_table(scores, {"data": "written"}, tmp_path / "out")
    assert [path.name for path in paths] == ["scores.md", "scores.json"]
    assert json.loads(paths[1].read_text())["scores"]["ours"]["mean V"]["value"] == 31.25


# --- the command -------------------------------------------------------------------------------------------------


def test_the_command_prints_and_writes_one_table(suite, tmp_path, capsys):
    loaded = []

    def load(name):
        loaded.append(name)
        return Gold(suite)

    words = ["evaluate", "written", "--data", str(DATA), "--seeds", "1", "--output", str(tmp_path), "--quiet"]
    words += ["--model", "bundled", "--model", "runs/mine", "--baseline", "random"]
    assert run(words, load=load) == 0
    assert loaded == [None, "runs/mine"]
    shown = capsys.readouterr().out
    assert [cell.strip() for cell in shown.splitlines()[0].split("|")[2:-1]] == ["bundled", "runs/mine", "random"]
    assert (tmp_path / "scores.md").read_text().count("V notes.mood") == 2  # the row, and what its range is
    assert json.loads((tmp_path / "scores.json").read_text())["facts"]["centred"] == "no"


def test_without_a_model_or_baseline_the_bundled_model_is_scored(suite, capsys):
    def load(name):
        assert name is None
        return Gold(suite)

    assert run(["evaluate", "written", "--data", str(DATA), "--seeds", "1"], load=load) == 0
    assert "bundled: scored in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "nowhere"], "--data must be a folder"),
        (["--data", str(DATA), "--baseline", "bert"], "--baseline must be one of minilm"),
    ],
)
def test_a_wrong_option_leaves_with_2(words, message, capsys):
    assert run(["evaluate", "written", *words]) == 2
    assert message in capsys.readouterr().err
