"""Evaluation: the arithmetic, the tasks, the data and what is wrong with it, the sanity of every kind of test."""

from __future__ import annotations

import json
import shutil

import numpy as np
import polars as pl
import pytest
from evaluation_data import WRITTEN, Blind, Oracle, write_rows, written_with_lists
from sklearn.metrics import v_measure_score

from answerspace import InputError
from answerspace.evaluation.clusterings import Clusterings
from answerspace.evaluation.encoders.baselines import RandomEncoder
from answerspace.evaluation.judging import Bench, judge
from answerspace.evaluation.protocol import make_protocol
from answerspace.evaluation.scores import (
    Groups,
    average_precision,
    bootstrap,
    harmonic_mean,
    movement,
    over_seeds,
    pair_spearman,
    reciprocal_rank,
    triplet_success,
    v_draws,
    v_measures,
)
from answerspace.evaluation.suites import SUITES, select_tasks
from answerspace.evaluation.tasks.content import read_content
from answerspace.evaluation.tasks.inbedder import AWARENESS, GENERIC, INBEDDER_LOCAL, ROBUSTNESS
from answerspace.evaluation.tasks.rows import Data
from answerspace.evaluation.tasks.task import KINDS, Question, Source, Task, WordingSource
from answerspace.evaluation.vectors import Vectors


def scores(encoder, task, data, **options):
    bench = Bench(Vectors(encoder, "x"), make_protocol(**{"seeds": 2} | options), Clusterings(threads=1))
    return judge(task.kind, read_content(task, data), bench, "key")


def a_task(kind, folder, cells, columns, instruction="What?", **facts):
    write_rows(folder / "rows.jsonl", cells)
    question = Question("q", instruction, Source("rows.jsonl"), columns)
    return Task("t", "s", kind, (question,), "metric", "licence", "citation", **facts), Data(folder)


# --- arithmetic --------------------------------------------------------------------------------------------------


def test_a_tie_between_positive_and_negative_fails():
    anchor = np.array([[1, 0], [1, 0], [1, 0], [0, 0]], np.float32)
    positive = np.array([[1, 0], [0, 1], [1, 1], [1, 0]], np.float32)
    negative = np.array([[0, 1], [1, 0], [1, 1], [0, 1]], np.float32)
    assert triplet_success(anchor, positive, negative).tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("rates", "mean"), [((1, 1), 1), ((0.5, 0.5), 0.5), ((0.75, 0.25), 0.375), ((1, 0), 0), ((1, 0.5, 0.5), 0.6)]
)
def test_harmonic_mean(rates, mean):
    assert harmonic_mean(*rates) == pytest.approx(mean, abs=3e-8)  # the 1e-8 moves it by at most twice that


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
    ratings = [0] * len(different) + [1] * len(same)
    assert pair_spearman(np.array(different + same), np.array(ratings)) == pytest.approx(score)


def test_v_measures_equal_sklearns_one_by_one():
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 5, 200)
    labels = np.stack([rng.integers(0, 7, 200), np.zeros(200, int), (gold + 1) % 5])
    assert v_measures(gold, labels) == pytest.approx([100 * v_measure_score(gold, one) for one in labels], abs=1e-9)


def test_v_draws_are_the_same_for_everyone_and_vary_about_the_value():
    gold = np.arange(300) % 3
    labels = np.where(np.arange(300) % 10 < 7, gold, 0)[None]
    draws = v_draws(gold, labels, "file", 200)
    assert (draws == v_draws(gold, labels, "file", 200)).all()
    assert (draws != v_draws(gold, labels, "another file", 200)).any()
    assert abs(draws.mean() - v_measures(gold, labels)[0]) < draws.std()


def test_over_seeds_is_mean_and_sd():
    score = over_seeds(np.array([10.0, 20.0, 30.0]))
    assert (score.value, score.low, score.high) == (20, 10, 30)
    assert over_seeds(np.array([5.0])).spread == "one k-means run"


def test_bootstrap_interval_of_a_mean():
    """Of 400 zeros and ones in equal number the mean has an sd of 0.5 / 20 = 0.025: the interval is about 0.1 wide."""
    values = np.arange(400) % 2
    value, draws = bootstrap(lambda rows: float(values[rows].mean()), 400)
    low, high = np.percentile(draws, [2.5, 97.5])
    assert value == 0.5
    assert 0.08 < high - low < 0.12


def test_groups_are_drawn_whole():
    even, odd = Groups(["a", "b", "a", "b"]), Groups(["a", "b", "a"])
    assert even.items(np.array([1, 1, 0])).tolist() == [1, 3, 1, 3, 0, 2]
    assert odd.items(np.array([0, 1, 0])).tolist() == [0, 2, 1, 0, 2]


def test_movement_is_0_for_the_same_space_and_near_100_for_unrelated_ones():
    first, second = (RandomEncoder(32, seed).encode([str(i) for i in range(150)], instruction="") for seed in (0, 1))
    assert movement([first, first, 2 * first]) == pytest.approx(0, abs=1e-3)
    assert movement([first, second]) == pytest.approx(100, abs=5)  # 11,175 cosines: sd of Spearman about 1 in 100


def test_rankings_by_hand():
    relevant = np.array([True, True, False, False])
    assert average_precision(relevant, np.array([0.9, 0.1, 0.5, 0.0])) == pytest.approx((1 + 2 / 3) / 2)
    assert reciprocal_rank(relevant, np.array([0.3, 0.4, 0.5, 0.6])) == pytest.approx(1 / 3)


# --- the sanity of every kind of test ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written():
    data = Data(WRITTEN)
    return {task.name: task for task in select_tasks(["written"], data)}, data


def instruct_stsb(folder, pairs=40):
    rows = [
        {"sentence1": f"left {i}", "sentence2": f"right {i}", "instruction": f"{same} {i}?", "score": same}
        for i in range(pairs)
        for same in (0, 1)
    ]
    return a_task("pairs", folder, rows, (("sentence1", "sentence2", "instruction", "score"),))


def test_an_encoder_that_ignores_the_question_scores_exactly_0_on_pairs(tmp_path, written):
    for task, data in (instruct_stsb(tmp_path), (written[0]["written.pairs"], written[1])):
        score = scores(Blind(), task, data).measures["spearman"]
        assert (score.value, score.low, score.high) == (0, 0, 0)


def test_an_encoder_that_ignores_the_question_wins_one_triplet_of_two(written):
    tasks, data = written
    measures = scores(Blind(), tasks["written.triplets"], data).measures
    # per item, one triplet of emotion and one of intent compare the same two distances the other way round
    assert measures["emotion"].value + measures["intent"].value == pytest.approx(100)


def test_the_oracle_is_at_the_ceiling_of_pairs(tmp_path):
    """Ratings of 0 and 1 in equal number against cosines without ties: at most sqrt(3 / 4) = 86.6."""
    task, data = instruct_stsb(tmp_path)
    assert 85 < scores(Oracle([task], data), task, data).measures["spearman"].value < 87.5


def test_random_vectors_score_near_0_on_pairs(tmp_path):
    """Spearman over 600 rows has an sd of 4.1 under chance; three of them are 12.2."""
    task, data = instruct_stsb(tmp_path, pairs=300)
    assert abs(scores(RandomEncoder(16), task, data).measures["spearman"].value) < 12.2


@pytest.mark.parametrize("centre", [False, True])
def test_the_oracle_is_near_the_top_everywhere(tmp_path, centre):
    data = written_with_lists(tmp_path / "written")
    tasks = select_tasks(["written"], data)
    tasks += select_tasks(["multicriteria"], data)
    oracle = Oracle(tasks, data)
    for task in tasks:
        judged = scores(oracle, task, data, centre=centre)
        main = next(iter(judged.measures.values()))
        # under an incorrect instruction all answers are alike: 12 texts are clustered by noise, whose V is not 0
        assert main.value > {"pairs": 85, "lists": 50}.get(task.kind, 99.99), task.name
    lists = scores(oracle, tasks[-2], data, centre=centre).measures  # the last one but the multicriteria task
    assert lists["wording_drop"].value == pytest.approx(0)
    assert lists["v_correct"].value == lists["v_implicit"].value == pytest.approx(100)


def test_chance_is_near_0_v(tmp_path):
    """900 random vectors in 4 groups: V is about the share (3 * 3 / 2) / 900 / ln 4 = 0.4 % that chance explains."""
    rows = [{"text": f"text {i}", "cluster": "abcd"[i % 4]} for i in range(900)]
    task, data = a_task("clustering", tmp_path, rows, (("text", "cluster"),))
    assert scores(RandomEncoder(8), task, data, seeds=1).measures["v_measure"].value < 1


def test_both_deltas_and_the_wording_drop_by_hand(tmp_path):
    data = written_with_lists(tmp_path / "written")
    task = select_tasks(["written"], data, only=["*.wording"])[0]
    content = read_content(task, data)
    right, gold = {"Where does it happen?", "Name the place.", "Which room?"}, Oracle([task], data).gold

    class Half:
        """Right under the original and two correct wordings, blind under all others."""

        def encode(self, texts, *, instruction):
            if instruction in right:
                return gold.encode(texts, instruction=instruction)
            return np.ones((len(texts), 3), np.float32)

    judged = scores(Half(), task, data)
    values = {name: round(score.value, 6) for name, score in judged.measures.items()}
    assert values["delta_correct"] == pytest.approx(200 / 3)
    assert values["delta_implicit"] == 0
    assert values["wording_drop"] == pytest.approx(100 / 3)
    assert (values["delta_correct_min_max"], values["delta_implicit_min_max"]) == (0, 0)
    assert [one.kind for one in judged.instructions].count("incorrect") == 3
    assert len(content.instructions) == len(judged.instructions) == 10
    published = scores(Half(), task, data, name="published", seeds=None)
    assert next(iter(published.measures)) == "delta_correct_min_max"


def test_wording_lists_may_have_seeds_of_their_own(tmp_path):
    data = written_with_lists(tmp_path / "written")
    task = select_tasks(["written"], data, only=["*.wording"])[0]
    judged = scores(RandomEncoder(8), task, data, seeds=3, wording_seeds=2)
    assert {len(one.values) for one in judged.instructions} == {2}
    assert "2 per instruction of a wording list" in make_protocol(seeds=3, wording_seeds=2).sentence


def test_reranking_takes_the_best_sub_query_and_leaves_out_queries_that_cannot_be_ranked(tmp_path):
    rows = [
        {"query": ["far", "near"], "positive": ["hit"], "negative": ["miss", "other"]},
        {"query": "near", "positive": ["hit"], "negative": []},
    ]
    task, data = a_task("reranking", tmp_path, rows, (("query", "positive", "negative"),))
    places = {"far": [1, 0], "near": [0, 1], "hit": [0, 2], "miss": [0.6, 0.8], "other": [1, 1]}

    class Placed:
        def encode(self, texts, *, instruction):
            return np.array([places[text] for text in texts], np.float32)

    measures = scores(Placed(), task, data).measures
    assert (measures["map"].value, measures["mrr"].value) == (100, 100)
    assert measures["map"].spread.endswith("1 queries")


def test_similarity_follows_peoples_ratings(tmp_path):
    rows = [{"a": "x", "b": f"y{i}", "score": 5 - i} for i in range(5)]
    task, data = a_task("similarity", tmp_path, rows, (("a", "b", "score"),))

    class Turning:
        def encode(self, texts, *, instruction):
            angles = np.array([0 if text == "x" else 0.2 * int(text[1:]) for text in texts])
            return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)

    assert scores(Turning(), task, data).measures["spearman"].value == pytest.approx(100)


def test_a_row_may_hold_a_whole_clustering(tmp_path):
    rows = [{"sentences": ["a", "b", "c", "d"], "labels": ["1", "1", "2", "2"]} for _ in range(2)]
    write_rows(tmp_path / "rows.jsonl", rows)
    question = Question("q", "What?", Source("rows.jsonl"), (("sentences", "labels"),), lists=True)
    task = Task("t", "s", "clustering", (question,), "m", "l", "c")
    assert len(read_content(task, Data(tmp_path))) == 2


# --- tasks and suites --------------------------------------------------------------------------------------------


def test_every_published_task_says_where_it_comes_from_and_under_what_terms():
    for task in (*AWARENESS.tasks, *ROBUSTNESS.tasks, *GENERIC.tasks, *INBEDDER_LOCAL.tasks):
        assert task.kind in KINDS
        assert task.comparable
        assert task.licence
        assert task.citation
        for question in task.questions:
            assert len(question.source.revision) == 40
            assert question.instruction or task.kind == "pairs"
        hash(task)  # a frozen value


def test_the_robustness_suite_is_six_sets_with_lists():
    assert len(ROBUSTNESS.tasks) == 6
    assert all(task.kind == "lists" and task.wording is not None for task in ROBUSTNESS.tasks)


def test_suites_and_tasks_are_chosen_by_name(written):
    names = list(written[0])
    assert names == ["written.triplets", "written.pairs", "notes.place", "notes.mood"]
    assert [task.name for task in select_tasks(["written"], written[1], only=["notes.*"])] == names[2:]
    with pytest.raises(InputError, match="--suite must be one of awareness, robustness"):
        select_tasks(["glue"], written[1])
    with pytest.raises(InputError, match="--task must match one of written"):
        select_tasks(["written"], written[1], only=["sst*"])
    assert [task.kind for task in select_tasks(["instructions"], written[1])] == ["clustering", "similarity"]
    assert set(SUITES) >= {"awareness", "robustness", "generic", "multicriteria", "instructions"}


def test_the_multicriteria_suite_puts_the_criteria_of_a_corpus_together(written):
    task = select_tasks(["multicriteria"], written[1])[0]
    assert [question.name for question in task.questions] == ["place", "mood"]
    judged = scores(Blind(), task, written[1])
    assert judged.measures["movement"].value == 0
    assert {"harmonic_mean", "arithmetic_mean", "v place", "v mood"} <= set(judged.measures)


def corpora(folder):
    """A folder of the other layout: Parquet files, a label column per criterion, nulls, entities in columns."""
    (folder / "corpora").mkdir()
    texts = [f"text {i}" for i in range(8)]
    kinds = ["a", "b"] * 4
    frame = {"text": texts, "topic": kinds, "aspect": [*kinds[:5], None, None, None], "stars": [1, 2] * 4}
    pl.DataFrame(frame).write_parquet(folder / "corpora" / "news.parquet")
    pl.DataFrame({"text": texts, "head": kinds, "tail": kinds, "relation": kinds}).write_parquet(
        folder / "corpora" / "fewrel_val.parquet"
    )
    criteria = {"topic": "What topic?", "aspect": "Which aspect?", "stars": "How good?"}
    described = {
        "news": {"rows": 8, "licence": "MIT", "criteria": criteria},
        "fewrel_val": {"rows": 8, "licence": "MIT", "criteria": {"relation": "Which relation?"}},
        "stsb_test": {"rows": 8, "criteria": {"score": "(pairs)"}},
    }
    (folder / "corpora" / "criteria.json").write_text(json.dumps(described))
    return Data(folder)


def test_public_corpora_are_described_by_a_file(tmp_path):
    data = corpora(tmp_path)
    tasks = {task.name: task for task in select_tasks(["corpora"], data)}
    assert list(tasks) == ["news.topic", "news.aspect", "news.stars", "fewrel_val.relation"]
    assert len(read_content(tasks["news.aspect"], data)[0].texts) == 5
    assert read_content(tasks["news.stars"], data)[0].labels[:2] == ["1", "2"]
    assert read_content(tasks["fewrel_val.relation"], data)[0].texts[1] == "text 1 The relation between b and b."


# --- bad data ----------------------------------------------------------------------------------------------------


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
    folder = shutil.copytree(WRITTEN, tmp_path / "written")
    path = folder / file
    if change is None:
        path.unlink()
    else:
        path.write_text(change(path.read_text()))
    data = Data(folder)
    with pytest.raises(InputError, match=message):
        [read_content(task, data) for task in select_tasks(["written"], data)]


ROWS = [{"text": f"t{i}", "cluster": "ab"[i % 2]} for i in range(4)]


@pytest.mark.parametrize(
    ("rows", "facts", "message"),
    [
        (ROWS, {"rows": 5}, r"rows\.jsonl: t must have 5 rows\. Got 4"),
        (ROWS, {"classes": 3}, r"rows\.jsonl: t must have 3 labels\. Got 2"),
        (ROWS[:1], {}, r"'cluster' must have at least two labels\. Got 1"),
        ([*ROWS, {"text": "", "cluster": "a"}], {}, r"rows\.jsonl, row 5: 'text' must be a non-empty string\. Got ''"),
        ([*ROWS, {"text": "t"}], {}, r"rows\.jsonl, row 5: 'cluster' must be a non-empty string\. Got None"),
    ],
)
def test_wrong_counts_and_cells_are_refused(tmp_path, rows, facts, message):
    task, data = a_task("clustering", tmp_path, rows, (("text", "cluster"),), **facts)
    with pytest.raises(InputError, match=message):
        read_content(task, data)


@pytest.mark.parametrize(
    ("kind", "columns", "row", "message"),
    [
        ("pairs", (("a", "b", "i", "r"),), {"a": "x", "b": "y", "i": "q", "r": 0.5}, "row 1: 'r' must be 0"),
        ("pairs", (("a", "b", "i", "r"),), {"a": "x", "b": "y", "i": "q", "r": 1}, "rated 0 and pairs rated 1"),
        ("pairs", (("a", "b", "i", "r"),), {"a": "x", "b": "y", "i": "q", "r": "1"}, "row 1: 'r' must be a number"),
        ("similarity", (("a", "b", "r"),), {"a": "x", "b": None, "r": 1}, "row 1: 'b' must be a non-empty string"),
        ("reranking", (("q", "p", "n"),), {"q": "x", "p": [], "n": ["y"]}, "must have 'p' and 'n'. Got none"),
        ("reranking", (("q", "p", "n"),), {"q": "x", "p": [1], "n": ["y"]}, "row 1: 'p' must be a list of non-empty"),
        ("triplets", (("a", "p", "n"),), {"a": "x", "p": "y"}, "row 1: 'n' must be a non-empty string"),
    ],
)
def test_wrong_cells_of_every_kind_are_refused(tmp_path, kind, columns, row, message):
    task, data = a_task(kind, tmp_path, [row], columns)
    with pytest.raises(InputError, match=message):
        read_content(task, data)


def test_a_missing_label_column_and_a_damaged_parquet_file_are_refused(tmp_path):
    data = corpora(tmp_path)
    described = json.loads((tmp_path / "corpora" / "criteria.json").read_text())
    described["news"]["criteria"] = {"tone": "Which tone?"}
    (tmp_path / "corpora" / "criteria.json").write_text(json.dumps(described))
    with pytest.raises(InputError, match=r"news\.parquet, row 1: there must be a column 'tone'\. Got text, topic"):
        read_content(select_tasks(["corpora"], data)[0], data)
    (tmp_path / "corpora" / "news.parquet").write_bytes(b"no")
    with pytest.raises(InputError, match=r"news\.parquet must be a readable Parquet file"):
        read_content(select_tasks(["corpora"], data)[0], Data(tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"original": "Why?"}, "'original' must be the question of criteria.json"),
        ({"correct": []}, "'correct' must be a list of instructions"),
        ({"implicit": ["a", " "]}, "'implicit' item 2 must be a non-empty string"),
    ],
)
def test_bad_wording_lists_are_refused(tmp_path, change, message):
    data = written_with_lists(tmp_path / "written")
    path = tmp_path / "written" / "robustness.json"
    lists = json.loads(path.read_text())
    lists["notes.place"] |= change
    path.write_text(json.dumps(lists))
    with pytest.raises(InputError, match=message):
        read_content(select_tasks(["written"], data, only=["*.wording"])[0], data)


def test_wording_lists_are_read_from_the_authors_python_file_without_running_it(tmp_path):
    code = 'raise SystemExit\nx = {"name": "n", "correct_instructions": ["a"], "implicit_instructions": ["b"],\n'
    (tmp_path / "task.py").write_text(code + ' "incorrect_instructions": ["c"], "other": print}\n')
    source = WordingSource("robust_instructions.json", "X", "", (tmp_path / "task.py").as_uri())
    assert Data(None).wordings(source) == {"correct": ["a"], "implicit": ["b"], "incorrect": ["c"]}


def test_rows_come_from_the_hub_where_there_is_no_folder(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "hub").mkdir()
    write_rows(tmp_path / "hub" / "test.jsonl", ROWS)
    found = Data(None).rows(Source("rows.jsonl", hub=str(tmp_path / "hub")))
    assert [row["text"] for row in found.rows] == ["t0", "t1", "t2", "t3"]
    with pytest.raises(InputError, match=r"must be readable from the hub.*give --data with rows\.jsonl instead"):
        Data(None).rows(Source("rows.jsonl", hub=str(tmp_path / "nowhere")))


def test_without_a_hub_a_folder_is_asked_for(tmp_path):
    with pytest.raises(InputError, match="must be in a folder given by --data"):
        Data(None).rows(Source("rows.jsonl"))
    with pytest.raises(InputError, match=r"fewrel\.jsonl must exist.*leave it out to read from the hub"):
        read_content(INBEDDER_LOCAL.tasks[0], Data(tmp_path))
    with pytest.raises(InputError, match="--data must be a folder"):
        Data(tmp_path / "nowhere")
