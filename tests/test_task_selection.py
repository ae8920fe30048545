"""Task selection through its functions: pools, templates, the published scores by hand, ranking, measures."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from answerspace.errors import InputError
from answerspace.task_selection.instruction_vectors import KeptVectors, VectorFile, character_vectors
from answerspace.task_selection.mixture import build_mixture, read_examples, write_mixture
from answerspace.task_selection.rank_classification import rank_accuracy, rouge_l
from answerspace.task_selection.ranking import RECIPES, SelectionRecipe, auto_k, instruction_parts, pick, select_tasks
from answerspace.task_selection.selection_measures import average_precision, f1, ndcg, overlap, percentiles
from answerspace.task_selection.source_prior import read_transfers, source_prior
from answerspace.task_selection.task_pool import PoolTask, check_pool, origin_of_name, read_pool, target_free
from answerspace.task_selection.task_scores import AGGREGATIONS, aggregate, smoothed, standardised, unit
from answerspace.task_selection.task_templates import render_template

SUBJECTS = ["red", "blue", "sum", "list", "story", "poem"]


def colours(texts):
    """Vectors by hand: one axis per subject word, a little of a last axis so that no vector is zero."""
    rows = [[float(text.lower().count(word)) for word in SUBJECTS] + [0.1] for text in texts]
    return np.array(rows, np.float32)


POOL = [
    PoolTask("add", ("Give the sum of the list.",), "numbers", "maths"),
    PoolTask("sort", ("Sort the list.",), "numbers", "maths"),
    PoolTask("ode", ("Write a red poem.",), "writing", "verse"),
    PoolTask("tale", ("Write a blue story.",), "writing", "prose"),
    PoolTask("myth", ("Write a red story.",), "writing", "prose"),
]
TARGET = PoolTask("target", ("Write a story. It must be a red story. Mention a poem.",))


# --- templates ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "choices", "said"),
    [
        ("{{premise}} Question: {{ hypothesis }}? ||| {{ answer_choices[label] }}", "Yes ||| No",
         "premise Question: hypothesis? one of: Yes, No"),
        ("{% if a %}Why {{b}}?{% else %}How {{b}}?{% endif %}", None, "Why b?How b?"),
        ("Pick: {{ answer_choices | join(', ') }}", "x ||| y", "Pick: x, y"),
        ("Pick: {{ ', '.join(answer_choices) }}", "{{a}} ||| {{b}}", "Pick: choices"),
        ("{% for o in options %}- {{ o.text }} {% endfor %}", None, "- o"),
        ('Say "{{"yes"}}" of {{row["the_title"]}}', None, 'Say "yes" of the title'),
        ("{{ sentence1 }} and {{someWords}} ||| ", None, "sentence and some words"),
    ],
)  # fmt: skip
def test_a_template_is_said_without_placeholders(template, choices, said):
    pytest.importorskip("jinja2")
    assert render_template(template, choices) == said


def test_styles_and_parts_of_a_template():
    pytest.importorskip("jinja2")
    template = "Read {{text}} . ||| {{answer}}"
    assert render_template(template, style="dropped", part="input") == "Read."
    assert render_template(template, part="output") == "answer"
    assert render_template(template, style="raw", part="input") == "Read {{text}}."
    with pytest.raises(InputError, match="valid Jinja"):
        render_template("{% if %}")
    with pytest.raises(InputError, match="named, dropped, raw"):
        render_template("a", style="spoken")


# --- pools -------------------------------------------------------------------------------------------------------


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_pool_of_tasks_is_read(tmp_path):
    rows = [
        {"name": "task1_squad_x", "definition": "Answer it.", "category": "QA", "split": "train", "label_space": ["a"]},
        {"name": "task2_mnli_y", "definition": ["Infer.", "Deduce."], "category": "TE", "split": "test"},
    ]
    path = write_rows(tmp_path / "pool.jsonl", rows)
    both = read_pool(path)
    assert [task.origin for task in both] == ["squad", "mnli"]
    assert both[0].answers == ("a",)
    assert both[1].instructions == ("Infer.", "Deduce.")
    assert [task.name for task in read_pool(path, where={"split": "test"})] == ["task2_mnli_y"]
    assert origin_of_name("my task") == ""


def test_templates_of_one_path_are_one_task(tmp_path):
    pytest.importorskip("jinja2")
    rows = [
        {"path": "nli/a", "jinja": "Is {{h}} true?", "answer_choices": "no ||| yes", "original_task": True},
        {"path": "nli/a", "jinja": "Does {{p}} imply it?", "answer_choices": None, "original_task": True},
        {"path": "nli/a", "jinja": "Write {{p}}.", "answer_choices": None, "original_task": False},
        {"path": "qa", "jinja": "Answer {{q}}.", "answer_choices": None, "original_task": False},
    ]
    nli, qa = read_pool(write_rows(tmp_path / "p3.jsonl", rows))
    assert nli.instructions == ("Is h true?", "Does p imply it?")
    assert (nli.answers, nli.origin, qa.instructions) == (("no", "yes"), "nli", ("Answer q.",))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"name": "a", "definition": " "}, {"name": "b", "definition": "Do."}], "must have an instruction.*'a'"),
        ([{"name": "a", "definition": "Do."}, {"name": "a", "definition": "Go."}], "must differ. Got 'a'"),
        ([{"name": "a", "task": "Do."}], "name and one of instruction"),
    ],
)
def test_bad_pools_are_refused(tmp_path, rows, message):
    with pytest.raises(InputError, match=message):
        read_pool(write_rows(tmp_path / "pool.jsonl", rows))


def test_an_empty_pool_and_an_unknown_column_are_refused(tmp_path):
    path = write_rows(tmp_path / "pool.jsonl", [{"name": "a", "definition": "Do."}])
    with pytest.raises(InputError, match="must name a column"):
        read_pool(path, where={"split": "train"})
    with pytest.raises(InputError, match="at least one task"):
        read_pool(path, where={"name": "b"})
    with pytest.raises(InputError, match="at least one task"):
        check_pool([])


def test_the_target_inside_the_pool_is_caught_by_name_or_instruction():
    copy = PoolTask("other name", ("  give the SUM of the list. ",))
    for target in (PoolTask("add", ("Something else.",)), copy):
        with pytest.raises(InputError, match=r"must not be in the pool\. Got 'add'"):
            target_free(POOL, target)
        kept, notes = target_free(POOL, target, drop_target=True)
        assert "add" not in [task.name for task in kept]
        assert notes == ["Left out, because it is the target: add."]


def test_the_targets_own_source_can_be_left_out():
    kept, notes = target_free(POOL, TARGET, exclude_origins=["prose"])
    assert [task.name for task in kept] == ["add", "sort", "ode"]
    assert notes == ["Left out 2 tasks made from prose."]
    with pytest.raises(InputError, match=r"must name a source of the pool\. Got film"):
        target_free(POOL, TARGET, exclude_origins=["film"])
    with pytest.raises(InputError, match="besides what is left out"):
        target_free(POOL[:2], TARGET, exclude_origins=["maths"])


# --- the published scores ----------------------------------------------------------------------------------------

COSINES = np.array([[0.9, 0.1, 0.8, 0.7], [0.2, 0.6, 0.5, 0.4]])
OWNERS = np.array([0, 0, 1, 2])


@pytest.mark.parametrize(
    ("name", "scores"),
    [
        ("mean", [(0.9 + 0.1 + 0.2 + 0.6) / 4, 0.65, 0.55]),
        ("best_match", [(0.9 + 0.6) / 2, 0.65, 0.55]),
        ("rank_vote", [2e30 + 1e21 + 1e21, 2e27, 2e24]),
        ("rank_vote_weighted", [0.9e30 + 0.1e21 + 0.6e30 + 0.2e21, (0.8 + 0.5) * 1e27, (0.7 + 0.4) * 1e24]),
    ],
)
def test_aggregations_by_hand(name, scores):
    assert aggregate(name, COSINES, OWNERS, 3) == pytest.approx(scores, rel=1e-12)


def test_only_ten_places_vote():
    cosines = np.linspace(1, 0, 12)[None]
    votes = AGGREGATIONS["rank_vote"](cosines, np.arange(12), 12)
    assert (votes[:10] > 0).all()
    assert votes[10:].tolist() == [0, 0]
    assert votes[9] == 1e3


def test_an_unknown_aggregation_lists_the_names():
    with pytest.raises(InputError, match="mean, rank_vote, rank_vote_weighted, best_match"):
        aggregate("max", COSINES, OWNERS, 3)


def test_smoothing_moves_neighbours_together_and_keeps_unit_rows():
    vectors = unit(np.array([[1, 0.1, 0], [1, -0.1, 0], [0, 0, 1], [0, 0.1, 1]]))
    moved = smoothed(vectors, neighbours=1)
    assert np.linalg.norm(moved, axis=1) == pytest.approx(np.ones(4))
    assert moved[0] @ moved[1] > vectors[0] @ vectors[1]
    assert moved[0] @ moved[2] == pytest.approx(0, abs=1e-3)
    assert smoothed(vectors, neighbours=0) is vectors


def test_standardised_scores_without_variation_are_zero():
    assert standardised(np.ones(3)).tolist() == [0, 0, 0]
    assert standardised(np.array([1.0, 3.0])).tolist() == [-1, 1]


# --- ranking -----------------------------------------------------------------------------------------------------


def test_insta_ranks_by_the_mean_cosine():
    chosen = select_tasks(TARGET, POOL, colours, k=2, recipe=RECIPES["insta"], resamples=0)
    assert [one.name for one in chosen.picks] == ["myth", "ode"]
    a, b = unit(colours([TARGET.instructions[0], "Write a red story."]))
    assert chosen.picks[0].score == pytest.approx(a @ b)
    assert chosen.picks[0].parts == {"similarity": pytest.approx(a @ b)}
    assert "writing" in chosen.picks[0].reason
    assert "story" in chosen.picks[0].reason


def test_several_wordings_are_aggregated():
    pool = [PoolTask("two", ("red", "poem")), PoolTask("one", ("blue",))]
    target = PoolTask("t", ("red", "blue"))
    scores = select_tasks(target, pool, colours, k=2, recipe=RECIPES["insta"], resamples=0).scores
    cosines = unit(colours(target.instructions)) @ unit(colours(["red", "poem", "blue"])).T
    assert scores == pytest.approx([cosines[:, :2].mean(), cosines[:, 2].mean()])


def test_a_prior_moves_useful_sources_up():
    prior = [1.0, 0.0, 0.0, 0.0, 0.0]
    recipe = SelectionRecipe(prior=10.0)
    chosen = select_tasks(TARGET, POOL, colours, k=1, recipe=recipe, prior=prior, resamples=0)
    assert chosen.picks[0].name == "add"
    assert chosen.picks[0].parts["prior"] == 1.0
    assert "usefulness 1.00" in chosen.picks[0].reason


def test_at_most_so_many_of_one_source():
    chosen = select_tasks(TARGET, POOL, colours, k=3, recipe=RECIPES["insta"], per_origin=1, resamples=0)
    assert [one.name for one in chosen.picks] == ["myth", "ode", "sort"]
    few = select_tasks(TARGET, POOL[:2], colours, k=2, recipe=RECIPES["insta"], per_origin=1, resamples=0)
    assert len(few.picks) == 1
    assert "Only 1 tasks" in few.notes[0]


def test_diversity_passes_over_a_task_that_repeats_a_pick():
    scores = np.array([1.0, 0.99, 0.8, 0.0])
    closeness = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    assert pick(scores, 2, closeness) == [0, 1]
    assert pick(scores, 2, closeness, diversity=0.5) == [0, 2]


def test_auto_k_counts_what_stands_out():
    scores = np.r_[np.zeros(200), np.full(5, 10.0)]  # mean 0.24, sd 1.5: the five are 6.3 sd above
    assert auto_k(scores) == 5
    assert auto_k(np.zeros(50)) == 3
    assert auto_k(np.zeros(2)) == 2


def test_stability_of_an_unambiguous_target_is_full_and_of_two_topics_is_not():
    sure = PoolTask("t", ("Tell a red story. Make a story red. A red story. One red story.",))
    assert select_tasks(sure, POOL, colours, k=1, recipe=RECIPES["insta"]).stability == pytest.approx(1.0)
    torn = PoolTask("t", ("Give the sum of the list. Write a blue story.",))
    assert select_tasks(torn, POOL, colours, k=2, recipe=RECIPES["insta"]).stability == pytest.approx(0.5)
    short = select_tasks(PoolTask("t", ("A red story",)), POOL, colours, k=2)
    assert short.stability is None
    assert "one sentence" in short.notes[0]


def test_instruction_parts_are_halves_in_order():
    parts = instruction_parts(["One. Two. Three. Four."], 10, seed=0)
    assert all(len(part) == 1 for part in parts)
    assert {text.count(".") for (text,) in parts} == {2}
    order = ["One.", "Two.", "Three.", "Four."]
    for (text,) in parts:
        said = text.split()
        assert said == sorted(said, key=order.index)
    assert {len(part) for part in instruction_parts(["a", "b", "c"], 5, seed=0)} == {2}


@pytest.mark.parametrize(("options", "message"), [({"k": 6}, "between 1 and the 5"), ({"diversity": 1.0}, "below 1")])
def test_bad_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        select_tasks(TARGET, POOL, colours, **options)


def test_equal_instructions_have_cosine_one_by_characters():
    vectors = character_vectors(["sort the list", "write poems", "sort the list"])
    assert vectors[0] @ vectors[2] == pytest.approx(1, abs=1e-5)
    assert vectors[0] @ vectors[1] < 0.2
    assert KeptVectors(character_vectors)(["sort", "write poems"]).shape[0] == 2
    with pytest.raises(InputError, match="at least one word"):
        character_vectors(["", " "])


def test_the_lexical_encoder_selects_with_stability():
    chosen = select_tasks(TARGET, POOL, KeptVectors(character_vectors), k=2, recipe=RECIPES["insta"])
    assert chosen.picks[0].name == "myth"
    assert 0 <= chosen.stability <= 1


def test_vectors_are_kept_in_memory_and_in_a_file(tmp_path):
    calls = []

    def encode(texts):
        calls.append(list(texts))
        return colours(texts)

    kept = KeptVectors(encode)
    assert (kept(["red", "blue", "red"]) == colours(["red", "blue", "red"])).all()
    kept(["red"])
    assert calls == [["red", "blue"]]
    path = tmp_path / "deep" / "vectors.npz"
    VectorFile(encode, path, chunk=1)(["red", "poem"])
    assert path.exists()
    assert (VectorFile(encode, path)(["poem", "red"]) == colours(["poem", "red"])).all()
    assert calls[1:] == [["red"], ["poem"]]
    with pytest.raises(InputError, match="one vector per text"):
        KeptVectors(lambda texts: np.zeros(3))(["a"])


# --- the prior ---------------------------------------------------------------------------------------------------


def test_the_prior_is_the_mean_percentile_on_other_targets(tmp_path):
    path = tmp_path / "transfers.csv"
    path.write_text("target,source,score\nt,a,9\nt,b,1\nu,a,10\nu,b,20\nu,c,30\nv,a,5\nv,b,5\nv,c,1\n")
    transfers = read_transfers(path)
    assert source_prior(transfers, ["a", "b", "c", "d"], leave_out=["t"]) == [
        pytest.approx((0 + 0.75) / 2),
        pytest.approx((0.5 + 0.75) / 2),
        pytest.approx((1 + 0) / 2),
        0.5,
    ]
    with pytest.raises(InputError, match="at least one other target"):
        source_prior(transfers, ["a"], leave_out=["t", "u", "v"])
    path.write_text("target,source,score\nt,a,good\n")
    with pytest.raises(InputError, match=r"row 1: score must be a number. Got 'good'"):
        read_transfers(path)
    path.write_text("target,source\nt,a\n")
    with pytest.raises(InputError, match="has no score"):
        read_transfers(path)


# --- measures ----------------------------------------------------------------------------------------------------


def test_measures_by_hand():
    relevant = np.array([True, False, True, False])
    assert average_precision(relevant) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.zeros(3, np.bool_)) == 0
    ideal = 1 + 1 / math.log2(3)
    assert ndcg(relevant.astype(float)) == pytest.approx((1 + 1 / 2) / ideal)
    assert ndcg(relevant.astype(float), 1) == 1
    assert percentiles(["a", "b", "c"]) == {"a": 1, "b": 0.5, "c": 0}
    assert overlap(["a", "b"], ["b", "c", "c"]) == 0.5
    assert f1(4, 2, 2) == pytest.approx(2 / 3)


# --- mixtures and their evaluation -------------------------------------------------------------------------------

EXAMPLES = {"add": [(f"{i} {i}", str(2 * i)) for i in range(6)], "sort": [("b a", "a b"), ("d c", "c d")]}


def test_an_equal_mixture_lets_small_tasks_speak_as_often():
    mixture = build_mixture(POOL[:2], EXAMPLES)
    assert [sum(one.task == name for one in mixture) for name in ("add", "sort")] == [6, 6]
    assert {one.input for one in mixture if one.task == "sort"} == {"b a", "d c"}


def test_a_proportional_mixture_uses_each_example_once():
    mixture = build_mixture(POOL[:2], EXAMPLES, balance="proportional")
    assert sorted((one.input, one.output) for one in mixture) == sorted([*EXAMPLES["add"], *EXAMPLES["sort"]])


def test_caps_and_a_token_budget_that_starts_over():
    capped = build_mixture(POOL[:2], EXAMPLES, per_task=2)
    assert len(capped) == 4
    assert len({one.input for one in capped if one.task == "add"}) == 2
    long = build_mixture(POOL[:1], EXAMPLES, tokens=1000)
    words = [len(f"{one.input} {one.instruction} {one.output}".split()) for one in long]
    assert sum(words) >= 1000 > sum(words[:-1])


def test_every_wording_of_a_task_is_used():
    task = PoolTask("add", ("Sum.", "Add."))
    assert {one.instruction for one in build_mixture([task], EXAMPLES, tokens=200)} == {"Sum.", "Add."}


def test_a_mixture_is_the_same_for_the_same_seed_and_is_written_as_training_data(tmp_path):
    mixture = build_mixture(POOL[:2], EXAMPLES, seed=3)
    assert mixture == build_mixture(POOL[:2], EXAMPLES, seed=3)
    assert mixture != build_mixture(POOL[:2], EXAMPLES, seed=4)
    path = write_mixture(mixture, tmp_path / "out" / "mixture.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert set(rows[0]) == {"input", "instruction", "output", "task"}
    assert [row["input"] for row in rows] == [one.input for one in mixture]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"balance": "fair"}, "equal, proportional"), ({"per_task": 0}, "at least 1")],
)
def test_bad_mixtures_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        build_mixture(POOL[:2], EXAMPLES, **options)
    with pytest.raises(InputError, match=r"must have examples\. Got none for ode"):
        build_mixture(POOL[:3], EXAMPLES)


def test_examples_are_read_by_task_and_bad_rows_named(tmp_path):
    path = tmp_path / "examples.jsonl"
    path.write_text('{"task": "t", "input": "a", "output": "b"}\n\n{"task": "t", "input": "c", "output": "d"}\n')
    assert read_examples(path) == {"t": [("a", "b"), ("c", "d")]}
    path.write_text('{"task": "t", "input": "a"}\n')
    with pytest.raises(InputError, match="row 1: must hold task, input and output"):
        read_examples(path)
    with pytest.raises(InputError, match="must be a readable file"):
        read_examples(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("prediction", "reference", "score"),
    [
        ("the cat sat", "The cat sat!", 1.0),
        ("the cat", "the dog and the cat", 2 * 2 / 7),
        ("cat the", "the cat", 0.5),
        ("", "the cat", 0.0),
        ("a b c d", "d c b a", 0.25),
    ],
)
def test_rouge_l(prediction, reference, score):
    assert rouge_l(prediction, reference) == pytest.approx(score)


def test_rank_accuracy_takes_the_earlier_of_equal_choices():
    scores = np.array([[1.0, 1.0], [0.0, 2.0], [3.0, 1.0]])
    assert rank_accuracy(scores, ["yes", "no"], ["yes", "no", "no"]) == pytest.approx(2 / 3)
