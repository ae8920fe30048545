"""The uses of instruction sets as functions: on vectors, labels and scores that are worked out by hand or simulated."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from answerspace.errors import InputError
from answerspace.instructions.audit import audit, effective_number, shown_task, task_shares
from answerspace.instructions.compression import METHODS as COMPRESSORS
from answerspace.instructions.compression import ShortBenchmark, compress, fidelity_table, measure_fidelity
from answerspace.instructions.correlation import correlate
from answerspace.instructions.duplicates import Duplicates, find_duplicates
from answerspace.instructions.instruction_files import BadRow, Instruction, InstructionSet
from answerspace.instructions.retrieval import neighbours, precision_at, retrieve
from answerspace.instructions.score_tables import estimate_from, read_scores, write_short
from answerspace.instructions.selection import METHODS, compare_methods, comparison_table, coverage, select


def pool(tasks=12, each=20, noise=0.15, d=32, seed=0):
    """(tasks * each, d) unit vectors around as many directions as there are tasks, and the tasks."""
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.standard_normal((d, tasks)))[0].T
    rows = np.repeat(centres, each, axis=0) + noise * rng.standard_normal((tasks * each, d)) / np.sqrt(d)
    labels = [f"task {i}" for i in range(tasks) for _ in range(each)]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


# --- select ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 7, 12, 60])
def test_every_method_picks_n_different_rows_and_the_same_again(method, n):
    vectors, labels = pool(each=5)
    rows = select(vectors, n, method=method, labels=labels, seed=3)
    assert len(rows) == len(set(rows)) == n
    assert set(rows) <= set(range(60))
    assert rows == select(vectors, n, method=method, labels=labels, seed=3)


@pytest.mark.parametrize("method", ["facility-location", "clusters", "k-center", "tasks"])
def test_as_many_rows_as_clear_tasks_hold_every_task(method):
    vectors, labels = pool()
    found = coverage(vectors, labels, select(vectors, 12, method=method, labels=labels))
    assert found.labels == found.pool == 1
    assert found.nearness > 0.97


def test_a_random_choice_misses_tasks():
    """12 draws from 12 equal tasks miss a given one with probability (11/12)^12 = 0.35: about 65 % are held."""
    vectors, labels = pool()
    held = np.mean([coverage(vectors, labels, select(vectors, 12, method="random", seed=s)).labels for s in range(20)])
    assert 0.5 < held < 0.8


def test_facility_location_leaves_strays_aside_where_k_center_takes_them():
    vectors, _ = pool(tasks=4, each=50)
    strays = np.eye(32, dtype=np.float32)[:6] - vectors.mean(0)
    together = np.concatenate([vectors, strays])
    assert max(select(together, 4)) < 200
    assert max(select(together, 4, method="k-center")) >= 200


def test_identical_vectors_are_no_obstacle():
    same = np.ones((9, 4), np.float32)
    for method in METHODS:
        assert len(set(select(same, 5, method=method, labels=["a"] * 9))) == 5


def test_tasks_takes_turns():
    vectors, _ = pool(tasks=3, each=4)
    labels = ["a"] * 6 + ["b"] * 5 + ["c"]
    assert [labels[row] for row in select(vectors, 8, method="tasks", labels=labels)] == list("abcababa")[:8]


def test_coverage_counts_what_could_be_held():
    vectors = np.eye(4, dtype=np.float32)
    found = coverage(vectors, ["a", "a", "b", "c"], [0, 2])
    assert (found.labels, found.pool) == (1, 0.75)
    assert found.nearness == pytest.approx(0.5)
    assert coverage(vectors, ["a", "a", "b", "c"], [0, 1]).labels == 0.5


def test_the_comparison_lists_every_method_and_size():
    vectors, labels = pool(tasks=4, each=5)
    found = compare_methods(vectors, labels, [2, 4], guide=labels, seeds=2)
    assert [(one.method, one.n) for one in found] == [(name, n) for n in (2, 4) for name in METHODS]
    assert len(comparison_table(found).splitlines()) == 2 + 2 * len(METHODS)
    assert "tasks" not in {one.method for one in compare_methods(vectors, labels, [2], seeds=1)}


@pytest.mark.parametrize(
    ("n", "options", "said"),
    [
        (0, {}, "between 1 and the pool's 10"),
        (11, {}, "Got 11"),
        (2, {"method": "best"}, "facility-location, clusters, k-center, random, tasks. Got 'best'"),
        (2, {"method": "tasks"}, "needs the rows' task labels"),
        (2, {"labels": ["a"]}, "one label a row"),
    ],
)
def test_a_choice_that_cannot_be_made_says_why(n, options, said):
    with pytest.raises(InputError, match=said):
        select(np.eye(10, dtype=np.float32), n, **options)


# --- retrieve ----------------------------------------------------------------------------------------------------


def test_the_nearest_come_first_with_their_cosines():
    stored = np.array([[1, 0], [0, 2], [3, 3]], np.float32)
    found = retrieve(np.array([[2, 0]], np.float32), stored, 5)
    assert found.rows.tolist() == [[0, 2, 1]]
    assert_allclose(found.cosines, [[1, np.sqrt(0.5), 0]], atol=1e-6)


def test_a_row_is_no_neighbour_of_itself():
    rows = neighbours(np.eye(4, dtype=np.float32), 3).rows
    assert all(i not in row for i, row in enumerate(rows.tolist()))


def test_precision_counts_rows_of_frequent_labels_only():
    on_a_line = np.array([[np.cos(a), np.sin(a)] for a in (0, 0.1, 0.2, 1.0, 1.1, 1.25)], np.float32)
    labels = ["a", "a", "b", "b", "b", "c"]
    # Rows of a label with three members: row 2 finds 1, 0; row 3 finds 4, 5; row 4 finds 3, 5.
    assert precision_at(on_a_line, labels, (1, 2)) == {1: 2 / 3, 2: 2 / 6}
    with pytest.raises(InputError, match="must have more than 4 rows"):
        precision_at(on_a_line, labels, (4,))


# --- compress ----------------------------------------------------------------------------------------------------


def simulated(items=300, models=24, seed=0):
    """Right or wrong of models of different ability on items of different difficulty and kind (a logistic model)."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 5, items)
    skill = rng.normal(0, 1, models) + rng.normal(0, 1, (5, models))
    chance = 1 / (1 + np.exp(-(skill[kinds] - rng.normal(0, 1, (items, 1)))))
    return (rng.random((items, models)) < chance).astype(float), np.eye(5, dtype=np.float32)[kinds]


@pytest.mark.parametrize("method", COMPRESSORS)
def test_all_items_give_the_exact_score(method):
    scores, kinds = simulated(items=30, models=8)
    vectors = np.concatenate([kinds, np.eye(30)], 1).astype(np.float32)
    scores += 1e-6 * np.arange(30)[:, None] * np.arange(8)  # no two items alike, so that each is a cluster of its own
    short = compress(scores, 30, method=method, vectors=vectors)
    assert short.rows == list(range(30))
    assert_allclose(short.estimate(scores), scores.mean(0), atol=1e-6)


def test_repeated_items_need_one_each():
    three = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 0]], float)
    scores = np.repeat(three, [5, 3, 2], axis=0)
    short = compress(scores, 3, method="anchors")
    assert_allclose(short.weights, [0.5, 0.3, 0.2])
    assert_allclose(short.estimate(scores[short.rows]), scores.mean(0))


def test_chosen_items_estimate_unseen_models_better_than_random_ones():
    scores, vectors = simulated()
    found = {one.method: one for one in measure_fidelity(scores, [20], vectors=vectors, draws=12)}
    assert found["calibrated"].error < 0.95 * found["random"].error
    assert found["clusters"].error < 0.95 * found["random"].error  # the vectors say an item's kind
    assert found["clusters"].rank > found["random"].rank + 0.03
    assert found["clusters"].swaps < found["random"].swaps
    assert "| 20 | anchors |" in fidelity_table(found.values())


def test_models_without_differences_are_no_obstacle():
    flat = np.ones((12, 6))
    for method in COMPRESSORS:
        short = compress(flat, 4, method=method, vectors=np.ones((12, 3), np.float32))
        assert_allclose(short.estimate(flat[short.rows]), 1)
    assert measure_fidelity(flat, [4], draws=2)[0].error == pytest.approx(0)


@pytest.mark.parametrize(
    ("scores", "n", "options", "said"),
    [
        (np.ones((5, 3)), 6, {}, "between 1 and the 5 items"),
        (np.ones((5, 3)), 2, {"method": "x"}, "must be one of calibrated"),
        (np.ones((5, 3)), 2, {"method": "clusters"}, "--text"),
        (np.array([[np.nan, 1]]), 1, {}, "finite"),
        (np.ones((5, 3)), 2, {"vectors": np.ones((4, 2), np.float32)}, "one vector an item"),
    ],
)
def test_a_compression_that_cannot_be_made_says_why(scores, n, options, said):
    with pytest.raises(InputError, match=said):
        compress(scores, n, **options)


def test_measuring_needs_six_models():
    with pytest.raises(InputError, match=r"at least 6 models\. Got 5"):
        measure_fidelity(np.ones((9, 5)), [2])


WIDE = "id,question,m1,m2,note\n7,What?,1,0.5,x\n8,Who?,,0.5,y\n9,Why?,TRUE,0.25,z\n9,Why?,0,0,z\n10,How?,0,1,w\n"
LONG = "item,model,score\na,m1,1\na,m2,0\nb,m1,0\nb,m2,1\nb,m2,0.5\nc,m1,1\n"


def test_a_table_with_a_column_a_model(tmp_path):
    (tmp_path / "wide.csv").write_text(WIDE.replace("TRUE", "1"))
    table = read_scores(tmp_path / "wide.csv", text="question")
    assert (table.items, table.models, table.texts) == (["7", "9", "10"], ["m1", "m2"], ["What?", "Why?", "How?"])
    assert table.scores.tolist() == [[1, 0.5], [1, 0.25], [0, 1]]
    assert len(table.notes) == 3
    assert "something else than numbers: note" in table.notes[0]
    assert "1 of 5 items" in table.notes[1]
    assert "lack a score (8)" in table.notes[1]
    assert "met before (9)" in table.notes[2]


def test_a_table_with_a_row_a_score(tmp_path):
    (tmp_path / "long.csv").write_text(LONG)
    table = read_scores(tmp_path / "long.csv")
    assert (table.items, table.models) == (["a", "b"], ["m1", "m2"])
    assert table.scores.tolist() == [[1, 0], [0, 1]]
    assert any("1 scores of an item and model met before" in note for note in table.notes)
    assert any("lack a score (c)" in note for note in table.notes)


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        ("id,m1\n1,0\n2,1\n", {}, "at least 2 models"),
        ("id,m1,m2\n1,0,1\n", {}, "2 items"),
        (WIDE, {"item": "name"}, "--item must be a column: id, question"),
        (WIDE, {"text": "name"}, "--text must be a column"),
        ("model,score\na,1\n", {}, "must have the column 'item'"),
        ("item,model,score\na,m,good\n", {}, "'score' of s.csv must hold numbers"),
    ],
)
def test_a_table_that_holds_no_scores_says_why(tmp_path, content, options, said):
    (tmp_path / "s.csv").write_text(content)
    with pytest.raises(InputError, match=said):
        read_scores(tmp_path / "s.csv", **options)


def test_a_short_benchmark_in_a_file_estimates_as_the_one_in_memory(tmp_path):
    (tmp_path / "wide.csv").write_text(WIDE.replace("TRUE", "1"))
    table = read_scores(tmp_path / "wide.csv", text="question")
    short = ShortBenchmark([0, 2], np.array([0.25, 0.5]), 0.125)
    write_short(tmp_path / "short.csv", table, short)
    assert estimate_from(tmp_path / "short.csv", table) == {"m1": 0.375, "m2": 0.75}
    (tmp_path / "new.csv").write_text("id,m3\n7,1\n")
    fewer = read_scores(tmp_path / "new.csv", fewest_models=1, fewest_items=1)
    with pytest.raises(InputError, match=r"Got none for 1 of them \(10\)"):
        estimate_from(tmp_path / "short.csv", fewer)


# --- correlate ---------------------------------------------------------------------------------------------------


def test_equal_sets_overlap_and_a_part_is_found_in_the_whole():
    vectors, _ = pool(tasks=10, each=40)
    same, other = vectors[::2], vectors[1::2]
    part = vectors[:160]  # four of the ten tasks
    strange = -vectors
    found = correlate({"same": same, "other": other, "part": part, "strange": strange}, draws=3, groups=20)
    assert_allclose(found.overlap, found.overlap.T)
    assert_allclose(found.distance, found.distance.T)
    assert found.sample == 80
    assert found.rows == [200, 200, 160, 400]
    reach, overlap, names = found.reach, found.overlap, found.names.index
    assert abs(reach[0, 1] - reach[0, 0]) < 0.02  # two samples of one set
    assert reach[names("part"), names("same")] > reach[names("same"), names("part")] + 0.2  # directed
    assert overlap[0, 1] > overlap[0, 2] > overlap[0, 3]
    assert found.distance[0, 1] < found.distance[0, 2] < found.distance[0, 3]


def test_lengths_and_sums_of_vectors_play_no_part():
    """The published code divides by the sum of a vector's numbers; here vectors that sum to zero are as good as any."""
    vectors, _ = pool(tasks=5, each=20)
    shifted = vectors - vectors.mean(1, keepdims=True)
    found = correlate({"a": shifted[::2], "b": 100 * shifted[1::2]})
    assert np.isfinite(found.reach).all()
    assert abs(found.reach[0, 1] - found.reach[0, 0]) < 0.02
    assert found.distance.max() < 0.1


@pytest.mark.parametrize(
    ("sizes", "said"), [((50,), "at least two"), ((50, 19), "at least 20 distinct instructions. Got 19 in set 1")]
)
def test_sets_that_cannot_be_compared(sizes, said):
    with pytest.raises(InputError, match=said):
        correlate({f"set {i}": np.ones((n, 3), np.float32) for i, n in enumerate(sizes)})


# --- deduplicate -------------------------------------------------------------------------------------------------


def jaccard(a, b):
    """The overlap as the docstring of find_duplicates defines it."""
    grams = [{f"___{text}_"[i : i + 5] for i in range(len(text))} for text in (a, b)]
    return len(grams[0] & grams[1]) / len(grams[0] | grams[1])


def slow_duplicates(texts, threshold):
    kept = []
    for row, text in enumerate(texts):
        best = max(kept, key=lambda other: (jaccard(text, texts[other]), -other), default=None)
        if best is None or jaccard(text, texts[best]) < threshold - 1e-9:
            kept.append(row)
    return kept


@pytest.mark.parametrize("threshold", [0.3, 0.6, 0.8, 1.0])
def test_the_quick_search_finds_what_comparing_every_pair_finds(threshold):
    rng = np.random.default_rng(1)
    words = ["write", "sort", "list", "story", "names", "cities", "a", "the", "about", "short"]
    texts = [" ".join(rng.choice(words, rng.integers(1, 7))) for _ in range(150)]
    found = find_duplicates(texts, threshold)
    assert [row for row in range(150) if found.kept[row] == row] == slow_duplicates(texts, threshold)
    for row in found.dropped:
        overlap = jaccard(texts[row], texts[found.kept[row]])
        assert overlap >= threshold - 1e-9
        assert found.overlap[row] == pytest.approx(overlap)
        assert found.kept[found.kept[row]] == found.kept[row]


def test_signs_and_capitals_make_no_difference():
    found = find_duplicates(["List three fruits.", "list three   FRUITS!", "List four fruits.", "?", "??", "?"])
    assert found.kept.tolist() == [0, 0, 2, 3, 4, 3]


def test_groups_come_largest_first():
    found = Duplicates(np.array([0, 1, 0, 1, 4, 1]), np.ones(6))
    assert found.groups() == [[1, 3, 5], [0, 2]]
    assert found.dropped == [2, 3, 5]


@pytest.mark.parametrize("texts", [[], ["one"]])
def test_nothing_to_compare(texts):
    assert find_duplicates(texts).dropped == []


def test_a_threshold_that_is_none():
    with pytest.raises(InputError, match="above 0"):
        find_duplicates(["a"], 0)


# --- audit -------------------------------------------------------------------------------------------------------


def test_the_effective_number_of_tasks():
    assert effective_number([5, 5, 5, 5]) == pytest.approx(4)
    assert effective_number([7]) == pytest.approx(1)


def test_over_representation_without_a_reference():
    counts = {"write|story": 300} | {f"do|{i}": 1 for i in range(700)}
    shares = {one.task: one for one in task_shares(counts)}
    assert shares["write|story"].over
    assert not shares["do|3"].over
    assert not any(one.over for one in task_shares({"a": 50, "b": 40, "c": 30}))


def test_over_representation_beside_a_reference_must_be_large_and_sure():
    here = {"a": 300, "b": 100, "c": 4}
    there = {"a": 100, "b": 900, "c": 1}
    over = {one.task: one.over for one in task_shares(here, there)}
    assert over == {"a": True, "b": False, "c": False}  # c is seven times as frequent, on four rows
    only_here = task_shares({"new": 50, "a": 50}, {"a": 100})
    assert {one.task for one in only_here if one.over} == {"new"}


def test_the_map_is_coloured_by_task_and_keeps_what_the_audit_found():
    vectors, labels = pool(tasks=3, each=10)
    rows = [Instruction(i + 1, f"{label}, number {i}") for i, label in enumerate(labels)]
    rows.append(Instruction(31, "Stray"))
    instructions = InstructionSet("mine.jsonl", rows, [BadRow(9, "it is not valid JSON")])
    named = [label.replace(" ", "|") for label in labels] + ["be|stray##be|lost"]
    duplicates = Duplicates(np.array([0, 0, *range(2, 31)]), np.ones(31))
    found = audit(
        instructions, named, np.concatenate([vectors, vectors[:1]]), duplicates, reference=("ref", ["task|0"] * 50)
    )
    task, verb, over, twice = found.result.questions
    assert [(one.name, one.size) for one in task.clusters] == [
        ("Task 0", 10),
        ("Task 1", 10),
        ("Task 2", 10),
        ("Be stray", 1),
    ]
    assert [one.name for one in verb.clusters] == ["Task", "Be"]
    assert [one.name for one in over.clusters] == ["Task 1", "Task 2", "Not over-represented"]
    assert [(one.name, one.size) for one in twice.clusters] == [
        ("Near-duplicates, kept", 1),
        ("Near-duplicates, dropped", 1),
        ("Alone", 29),
    ]
    assert found.result.facts["Instructions"] == "31 (1 rows left out)"
    summary = found.summary()
    assert summary["near_duplicate_groups"] == [[1, 2]]
    assert {one["task"] for one in summary["over_represented"]} == {"task|1", "task|2"}
    assert shown_task("be|stray##be|lost") == "be stray"
