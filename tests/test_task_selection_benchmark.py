"""The selection benchmark on a folder of a few tasks made here, the experiment, alignment, and the command line."""

from __future__ import annotations

import csv
import gzip
import json

import numpy as np
import pytest

from answerspace.cli.main import run
from answerspace.errors import InputError
from answerspace.task_selection.alignment_pairs import Instruction, hard_batches, held_apart, published_pairs
from answerspace.task_selection.answer_predictor import AnswerPredictor, predictor_learner
from answerspace.task_selection.category_retrieval import RetrievalCase, run_retrieval
from answerspace.task_selection.learnable_targets import learnable, own_accuracy
from answerspace.task_selection.measured_transfers import (
    ROE_TARGETS,
    TASKWEB_TASKS,
    MeasuredTransfers,
    judge_transfers,
    listed_scores,
    published_name,
)
from answerspace.task_selection.ranking import RECIPES
from answerspace.task_selection.selection_benchmark import (
    benchmark_table,
    read_benchmark,
    run_benchmark,
    selectors_named,
    write_benchmark,
)
from answerspace.task_selection.sweep_plot import sweep_svg
from answerspace.task_selection.sweep_scores import advantage, run_table, sweep_curve
from answerspace.task_selection.task_pool import PoolTask
from answerspace.task_selection.task_scores import unit
from answerspace.task_selection.transfer_experiment import (
    OUTPUTS,
    Learner,
    RunResult,
    SweepPlan,
    Target,
    read_runs,
    run_sweep,
    shortened,
    spread_over_categories,
    targets_of,
)

WORDS = ["entail", "question", "poem", "sum", "yes", "no", "good", "bad"]


def by_words(texts):
    rows = [[float(text.lower().count(word)) for word in WORDS] + [0.1] for text in texts]
    return np.array(rows, np.float32)


# --- category retrieval ------------------------------------------------------------------------------------------


def test_mates_from_the_querys_own_data_set_do_not_count():
    tasks = [
        PoolTask("a1", ("entail",), "TE", "a"),
        PoolTask("a2", ("entail entail",), "TE", "a"),
        PoolTask("b", ("entail question",), "TE", "b"),
        PoolTask("c", ("question",), "QA", "c"),
        PoolTask("d", ("poem",), "PO", "d"),
    ]
    found = run_retrieval(RetrievalCase("seen", tasks, [0, 2, 3]), by_words, RECIPES["insta"])
    # a1 finds b first, a2 being of its own data set; b finds a1, c, a2, in this order; c has no mate
    assert found["MAP"].tolist() == [1, pytest.approx((1 + 2 / 3) / 2)]
    assert found["P@5"].tolist() == [pytest.approx(1 / 3), 0.5]
    assert found["F1 at k = 5"].tolist() == [pytest.approx(2 / 4), pytest.approx(4 / 6)]


# --- measured transfers ------------------------------------------------------------------------------------------


@pytest.fixture
def measured():
    sources = [PoolTask(name, (name,)) for name in ("s0", "s1", "s2", "s3", "s4", "s5", "t1")]
    targets = [PoolTask(name, (name,)) for name in ("t0", "t1", "t2")]
    worth = np.array([[0.9, 0.8, 0.7, 0.6, 0.5, 0.1, 0.0], [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, np.nan], [0.5] * 7])
    return MeasuredTransfers("made", targets, sources, worth, ["x", "x", "y"])


def test_the_percentile_of_the_picks_by_hand(measured):
    scores = [measured.worth[i, measured.allowed(i)] for i in range(3)]
    best = judge_transfers(measured, scores)
    assert best["percentile of the 5 picks"].tolist() == pytest.approx([0.7, 0.6, 0.5])
    assert best["hits among the best 5"].tolist() == [1, 1, 1]
    assert best["Spearman"][:2].tolist() == pytest.approx([1, 1])
    worst = judge_transfers(measured, [-one for one in scores])
    assert worst["percentile of the 5 picks"][0] == pytest.approx((0.0 + 0.1 + 0.5 + 0.6 + 0.7) / 5)


def test_a_prior_never_looks_at_the_target_or_its_cluster(measured):
    target_out = measured.prior(0, "target out")
    assert target_out[0] == pytest.approx((0.0 + 0.5) / 2)
    assert target_out[6] == pytest.approx(0.5)  # as a source t1 was measured for t2 only
    assert measured.prior(0, "cluster out").tolist() == [0.5] * 7
    assert measured.prior(0, "none") is None
    assert len(measured.prior(1, "target out")) == 6


def test_a_published_list_becomes_scores_in_its_order(measured):
    [first, *_] = listed_scores(measured, [["s3", "s0"], [], []])
    assert first.tolist() == [1, 0, 0, 2, 0, 0, 0]
    with pytest.raises(InputError, match="must be in the pool"):
        listed_scores(measured, [["elsewhere"], [], []])


@pytest.mark.parametrize(
    ("path", "name"),
    [("glue/mrpc", "mrpc"), ("cos_e/v1.11", "cos_e"), ("social_i_qa", "social_iqa"), ("ag_news", "ag_news")],
)
def test_published_names(path, name):
    assert published_name(path) == name


# --- the whole benchmark on made data ----------------------------------------------------------------------------

SOURCES = [f"set{i}" for i in range(6)]


@pytest.fixture
def folder(tmp_path):
    """The smallest folder with every file of the benchmark; all texts are made here."""
    root = tmp_path / "data"
    root.mkdir()
    niv2 = [
        {"name": f"task{i}_{'abcdef'[i % 6]}_x", "split_default": "train", "category": ["QA", "PO"][i % 2],
         "definition": ["Answer the question.", "Write the poem."][i % 2] + f" {i}", "label_space": None}
        for i in range(8)
    ] + [
        {"name": f"task{90 + i}_{'uvw'[i]}_y", "split_default": "test", "category": "TE",
         "definition": f"Does it entail? {i}", "label_space": ["yes", "no"]}
        for i in range(3)
    ]  # fmt: skip
    write(root / "niv2_tasks.jsonl", niv2)
    write(root / "bbh_tasks.jsonl", [{"name": "web_of_lies", "description": "Is the question answered?"}])
    paths = {path for _, path, _ in ROE_TARGETS.values()} | {path for path, _ in TASKWEB_TASKS.values()} | {*SOURCES}
    templates = [
        {"path": path, "jinja": f"{{{{text}}}} Is it a {path.replace('/', ' ')} question? ||| {{{{a}}}}",
         "answer_choices": None, "original_task": True}
        for path in sorted(paths)
    ]  # fmt: skip
    write(root / "p3_templates.jsonl", templates)
    experts = [f"{name}@{i}" for name in SOURCES for i in range(2)]
    rng = np.random.default_rng(0)
    prompts = [f"{path}@one" for names, _, _ in ROE_TARGETS.values() for path in names]
    orders = {prompt: [experts[i] for i in rng.permutation(len(experts))] for prompt in prompts}
    (root / "roe_oracle_transfer_p3.json").write_text(json.dumps(orders))
    names = sorted(TASKWEB_TASKS)
    with (root / "taskweb_transfer.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["target", "source", "setting", "n_seeds", "mean_score", "sd"])
        out.writerows([t, s, "t5s", 8, round(float(rng.random()), 3), 0] for t in names[:5] for s in names if s != t)
    with (root / "taskweb_multitask_t5xl.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["target", "train_set", "prompt", "cfg", "accuracy"])
        out.writerows([["cb", "_".join(names[:5]), "p", "c", 50], ["cb", "_".join(names[5:10]), "p", "c", 60]])
    sets = {"one": {"cb": names[:5]}, "two": {"cb": names[5:10]}}
    (root / "taskweb_multitask_sets.json").write_text(json.dumps(sets))
    picks = dict.fromkeys(ROE_TARGETS, SOURCES[:5])
    lists = {
        "p3": {"insta": picks, "insta_aligned": picks},
        "niv2": {"insta_aligned": {"textual_entailment_task90": ["QA/task0_a_x", "QA/task2_c_x", "QA/task2_c_x"]}},
        "bbh": {"insta_aligned": {"web_of_lies": ["QA/task0_a_x"]}},
    }
    (root / "insta_published_selections.json").write_text(json.dumps({"benchmarks": lists}))
    examples = [
        {"task": task["name"], "input": f"{['good', 'bad'][i % 2]} thing {i}", "output": ["yes", "no"][i % 2]}
        for task in niv2
        for i in range(6)
    ]
    with gzip.open(root / "niv2_instances.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in examples)
    return root


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_one_call_measures_everything_and_goes_on_where_it_stopped(folder, tmp_path):
    pytest.importorskip("jinja2")
    benchmark = read_benchmark(folder)
    assert [len(case.queries) for case in benchmark.retrieval] == [8, 3]
    made = []

    def make(name):
        made.append(name)
        return by_words

    selectors = selectors_named(["words", "words@insta"], make)
    scores = run_benchmark(benchmark, selectors, keep=tmp_path / "out")
    assert made == ["words", "words"]
    ours = scores["words@answerspace"]
    assert ours["NIV2 unseen, MAP"].value == 100
    assert ours["RoE, percentile of the 5 picks"].low <= ours["RoE, percentile of the 5 picks"].value
    assert {"TaskWeb, prior (cluster out), Spearman", "overlap at 70, NIV2, insta_aligned"} <= set(ours)
    assert ours["overlap at 70, NIV2, insta_aligned"].value == 100  # all eight train tasks are among the first 70
    assert "9 targets" in ours["RoE, Spearman"].spread
    assert "TaskWeb, prior (target out), Spearman" in scores["random"]
    again = run_benchmark(benchmark, selectors, keep=tmp_path / "out")
    assert made == ["words", "words"]
    assert again == scores
    table = benchmark_table(scores)
    assert table.count("| RoE, Spearman |") == 1
    assert [path.name for path in write_benchmark(scores, tmp_path / "out")] == ["selection.md", "selection.json"]


def test_the_authors_lists_are_scored_on_the_oracle(folder):
    pytest.importorskip("jinja2")
    benchmark = read_benchmark(folder)
    scores = run_benchmark(benchmark, [], parts=["roe"])
    by_hand = np.mean([np.mean(row[:5]) for row in benchmark.roe.worth])  # sources are sorted: set0 to set5
    assert scores["the authors' list, insta"]["RoE, percentile of the 5 picks"].value == pytest.approx(100 * by_hand)


# --- the experiment ----------------------------------------------------------------------------------------------


def test_the_predictor_learns_a_linear_rule():
    """A choice follows from the input alone: 60 noisy rows in 8 dimensions fit 17 of 20 new ones at the least."""
    rng = np.random.default_rng(0)
    choices = unit(rng.standard_normal((2, 8)))
    labels = rng.integers(0, 2, 80)
    inputs = unit(np.eye(8)[labels] + 0.1 * rng.standard_normal((80, 8)))
    same = np.broadcast_to(unit(np.ones((1, 8))), (80, 8))
    model = AnswerPredictor.fit(inputs[:60], same[:60], choices[labels[:60]], ridge=0.1)
    scores = model.choice_scores(inputs[60:], same[:1], choices)
    assert (scores.argmax(1) == labels[60:]).sum() >= 17


def target(name="t", answers=("yes", "no"), origin="own"):
    rows = [("good thing", "yes"), ("bad thing", "no")] * 3
    task = PoolTask(name, ("Say yes or no.",), "C", origin, answers)
    return Target(task, rows, answers, [("good", "yes"), ("bad", "no")] * 4)


SWEEP_POOL = [
    PoolTask("same", ("Say yes or no to it.",), "C", "a"),
    PoolTask("sums", ("Give the sum.",), "M", "b"),
    PoolTask("own task", ("Say yes or no.",), "C", "own"),
]
SWEEP_EXAMPLES = {
    "same": [("good day", "yes"), ("bad day", "no")] * 5,
    "sums": [("1 1", "sum")] * 4,
    "own task": [("good", "no"), ("bad", "yes")] * 5,
}


def watched(learner, trained):
    """The learner, which notes the tasks of every model it trains."""

    def train(mixture, seed):
        trained.append({one.task for one in mixture})
        return learner.train(mixture, seed)

    return Learner(learner.settings, train, learner.untrained)


def test_a_sweep_compares_and_goes_on_where_it_stopped(tmp_path):
    trained = []
    notes = []

    def sweep(tokens=60):
        learner = watched(predictor_learner(by_words), trained)
        plan = SweepPlan((1,), tokens, seeds=2, draws=2, own=1)
        given = ([target()], SWEEP_POOL, SWEEP_EXAMPLES, by_words, learner, tmp_path, plan)
        return run_sweep(*given, tell=notes.append)

    results = sweep()
    assert {(r.way, r.k) for r in results} == {("selected", 1), ("random", 1), ("all", 2), ("own", 1)}
    assert len(results) == 7
    assert notes[-1].endswith("(7 of 7 models)")
    assert all("own task" not in tasks for tasks in trained)  # made from the target's data set
    chosen = [r for r in results if r.way == "selected"]
    assert all(r.accuracy == 1 and r.rouge_l == 1 and r.majority == 0.5 and r.chance == 0.5 for r in chosen)
    lines = (tmp_path / "runs.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "runs.jsonl").write_text("".join(lines[:-1]) + lines[-1][:20])  # cut off while writing
    count = len(trained)
    assert len(sweep()) == 7
    assert len(trained) == count + 1
    assert len(read_runs(tmp_path)) == 7
    assert [r.settings for r in sweep(tokens=70)] == [results[0].settings.replace("60 words", "70 words")] * 7
    assert len(trained) == count + 8  # runs of another budget are other runs
    assert len(read_runs(tmp_path)) == 14


def test_one_model_of_random_tasks_serves_every_target(tmp_path):
    trained = []
    targets = [target(), target("u", origin="other")]
    learner = watched(predictor_learner(by_words), trained)
    plan = SweepPlan((1,), 60, seeds=1, draws=2)
    results = run_sweep(targets, SWEEP_POOL, SWEEP_EXAMPLES, by_words, learner, tmp_path, plan)
    assert len(trained) == 2 * 2 + 2  # random and all, twice; selected once per target
    assert sum(r.way == "random" for r in results) == 4
    assert run_table(results, ("random", 1)).shape == (2, 2)


def test_the_budget_counts_of_an_instruction_what_is_read(tmp_path):
    """Budget 11; an example has 2 + 1 words beside its instruction's 5, or the 2 that are read: 2 and 3 examples."""
    examples = [len_of_run(tmp_path / str(most), most) for most in (None, 2)]
    assert examples == [2, 3]


def len_of_run(folder, most):
    plan = SweepPlan((), 11, instruction_words=most, draws=1, seeds=1)
    pool = [PoolTask("same", ("Say yes or no now.",), "C", "a")]
    [result] = run_sweep([target()], pool, SWEEP_EXAMPLES, by_words, predictor_learner(by_words), folder, plan)
    return result.examples


def test_a_sweep_without_targets_or_pool_is_refused(tmp_path):
    given = ({}, by_words, predictor_learner(by_words), tmp_path, SweepPlan((1,), 10))
    with pytest.raises(InputError, match="needs targets"):
        run_sweep([], SWEEP_POOL, *given)
    with pytest.raises(InputError, match="must hold tasks with examples"):
        run_sweep([target()], SWEEP_POOL, *given)


def result(name, way, k, seed, accuracy):
    return RunResult(name, way, k, seed, 9, accuracy, 0.5, 0.5, 0.5, 0.25)


def test_the_curve_is_the_mean_over_targets_and_seeds():
    results = [
        *[result("a", "selected", 5, seed, value) for seed, value in enumerate([0.5, 0.7])],
        *[result("b", "selected", 5, seed, 1.0) for seed in range(2)],
        *[result(name, "random", 5, 0, 0.4) for name in "ab"],
        result("a", "own", 1, 0, 0.9),
    ]
    curve = sweep_curve(results)
    assert curve["selected"][5].value == pytest.approx(80)
    assert 50 <= curve["selected"][5].low < 80 < curve["selected"][5].high <= 100
    assert curve["random"][5].low == pytest.approx(40)
    assert curve["own"][1].value == pytest.approx(90)  # over the targets that have one
    assert sweep_curve(results, "calibrated")["selected"][5].value == pytest.approx(25)
    gain = advantage(results, ("selected", 5), ("random", 5))
    assert gain.value == pytest.approx(40)
    assert "2 targets and 2, 1 seeds" in gain.spread


def test_what_a_shared_draw_does_to_all_targets_is_in_the_interval():
    """Two draws that move every target alike: the interval reaches from one to the other, not only over targets."""
    results = [result(name, "random", 5, seed, [0.2, 0.8][seed]) for name in "abcd" for seed in range(2)]
    score = sweep_curve(results)["random"][5]
    assert (score.low, score.high) == (pytest.approx(20), pytest.approx(80))


def test_the_plot_has_a_point_a_score_and_a_line_a_mark():
    curve = sweep_curve([result("a", "selected", k, 0, 0.6) for k in (5, 20)])
    svg = sweep_svg(curve, title="a < b", lines={"chance": 50, "un<trained": 50.1})
    assert svg.count("<circle") == 2 + 1  # points and the key
    assert "a &lt; b" in svg
    assert "un&lt;trained" in svg
    assert svg.count("stroke-dasharray") == 2


def test_targets_have_equally_many_examples_of_every_label_and_are_spread():
    tasks = [
        PoolTask("a", ("x",), "A", "one", answers=("yes", "no")),
        PoolTask("b", ("x",), "A", "one", answers=("yes", "no")),
        PoolTask("c", ("x",), "C", "two", answers=("yes", "no")),
        PoolTask("free", ("x",), "C"),
        PoolTask("rare", ("x",), "C", answers=("yes", "no", "maybe")),
    ]
    rows = [(f"{i} two three", ["yes", "no", "no"][i % 3]) for i in range(12)] + [("last", "maybe")]
    examples = dict.fromkeys(["a", "b", "c", "free", "rare"], rows)
    found = targets_of(tasks, examples, most=6)
    assert [one.task.name for one in found] == ["a", "b", "c"]
    assert sorted(answer for _, answer in found[0].examples) == ["no"] * 3 + ["yes"] * 3
    assert sorted([*found[0].examples, *found[0].others]) == sorted(rows[:12])
    assert [one.task.name for one in spread_over_categories(found, 2)] == ["a", "c"]
    assert [one.task.name for one in spread_over_categories(found, 9)] == ["a", "c"]  # b is of a's data set
    assert found[0].choices == ("yes", "no")
    assert targets_of(tasks[:1], {"a": rows[:2]}) == []
    assert shortened(examples, most=1, words=2)["a"] == [("0 two", "yes")]


def test_a_target_without_labels_is_ranked_among_its_outputs():
    rows = [(f"text {i}", f"title {i // 2}") for i in range(10)]
    tasks = [PoolTask("title", ("x",), "T", "one"), PoolTask("labelled", ("x",), "A", "two", answers=("yes", "no"))]
    [found] = targets_of(tasks, {"title": rows, "labelled": rows}, kind=OUTPUTS, most=4)
    assert len(found.examples) == len({answer for _, answer in found.examples}) == 4
    assert [answer for _, answer in found.examples] == list(found.choices)
    assert sorted([*found.examples, *found.others]) == sorted(rows)
    assert targets_of(tasks, {"title": rows}, kind=OUTPUTS, most=6) == []


def test_a_target_is_learnable_when_its_own_examples_say_so():
    rows = [("good thing", "yes"), ("bad thing", "no")] * 10
    told = Target(PoolTask("told", ("x",), answers=("yes", "no")), rows[:10], ("yes", "no"), rows[10:])
    mixed = [(text, ["yes", "no"][i % 2]) for i, (text, _) in enumerate([*rows[::2], *rows[1::2]])]
    untold = Target(PoolTask("untold", ("x",), answers=("yes", "no")), mixed, ("yes", "no"))
    assert own_accuracy(told, by_words) == 1
    assert own_accuracy(untold, by_words) < 0.6
    assert learnable([told, untold], by_words) == [told]


# --- pairs and batches for alignment -----------------------------------------------------------------------------

TEXTS = [Instruction(f"{group} {origin}", group, origin) for group in "PQRS" for origin in ("a", "b", "c", "d")]


def test_published_pairs_follow_the_recipe():
    cosines = np.where(np.arange(16)[:, None] % 2 == np.arange(16) % 2, 0.1, 0.9)
    pairs = published_pairs(TEXTS, cosines)
    positives = [pair for pair in pairs if pair[2] == 1]
    negatives = [pair for pair in pairs if pair[2] == 0]
    assert len(positives) == round(0.4 * 4 * 6)
    assert all(TEXTS[i].group == TEXTS[j].group for i, j, _ in positives)
    assert len(negatives) == 16
    assert all(TEXTS[i].group != TEXTS[j].group and cosines[i, j] < 0.3 for i, j, _ in negatives)
    assert max(np.bincount([j for _, j, _ in negatives])) <= 4


def test_whole_groups_are_held_apart():
    rest, dev = held_apart(TEXTS, groups=1)
    assert len(dev) == 4
    assert {one.group for one in rest}.isdisjoint(one.group for one in dev)
    assert len(rest) + len(dev) == 16
    with pytest.raises(InputError, match="whole groups apart"):
        held_apart([Instruction("a", "P"), Instruction("b", "Q")])


def test_a_batch_holds_hard_negatives_from_the_same_data_set():
    for rows in hard_batches(TEXTS, groups=4, each=2, seed=1):
        batch = [TEXTS[i] for i in rows]
        assert len(set(rows.tolist())) == len(rows)
        assert len({one.group for one in batch}) == 4
        shared = [a for a in batch for b in batch if a.origin == b.origin and a.group != b.group]
        assert shared


# --- the command line --------------------------------------------------------------------------------------------


class Words:
    """An embedder as the command line needs one."""

    def encode(self, texts, instruction):
        return by_words(texts)


def command(*words):
    return run([str(word) for word in words], load=lambda name: Words())


@pytest.fixture
def pool(tmp_path):
    rows = [
        {"name": "te", "definition": "Does it entail?", "category": "TE", "origin": "snli"},
        {"name": "qa", "definition": "Answer the question.", "category": "QA", "origin": "squad"},
        {"name": "po", "definition": "Write a poem.", "category": "PO", "origin": "verse"},
    ]
    path = tmp_path / "pool.jsonl"
    write(path, rows)
    return path


GOAL = "Tell whether they entail it. Say yes or no."


@pytest.mark.parametrize("name", ["chosen.json", "chosen.jsonl", "chosen.csv"])
def test_select_tasks_prints_saves_and_mixes(pool, tmp_path, capsys, name):
    chosen, mixture = tmp_path / name, tmp_path / "mixture.jsonl"
    said = ("select-tasks", "--target", GOAL, "--pool", pool, "--k", 2, "--recipe", "insta", "--output", chosen)
    assert command(*said) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[0].split()[:1] == ["1"]
    assert "te  (similarity" in shown.splitlines()[0]
    assert "Stability:" in shown
    examples = tmp_path / "examples.jsonl"
    write(examples, [{"task": one, "input": "i", "output": "o"} for one in ("te", "qa", "po")])
    mixed = ("select-tasks", "mix", "--tasks", chosen, "--pool", pool, "--examples", examples, "--output", mixture)
    assert command(*mixed) == 0
    rows = [json.loads(line) for line in mixture.read_text().splitlines()]
    assert len(rows) == 2
    assert rows[0]["task"] in ("te", "qa")
    if name.endswith(".json"):
        saved = json.loads(chosen.read_text())
        assert saved["tasks"][0]["name"] == "te"
        assert saved["recipe"] == "insta"
        assert 0 <= saved["stability"] <= 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--k", "2"], "needs --target and --pool"),
        (["--target", " ", "--pool", "POOL"], "--target must have at least one word"),
        (["--target", GOAL, "--pool", "POOL", "--k", "0"], "--k must be a whole number of at least 1, or auto"),
        (["--target", GOAL, "--pool", "POOL", "--k", "9"], "--k must be between 1 and the 3 tasks"),
        (["--target", GOAL, "--pool", "POOL", "--recipe", "best"], "--recipe must be one of answerspace, insta"),
        (["--target", "Write a poem.", "--pool", "POOL"], "The target must not be in the pool. Got 'po'"),
        (["--target", GOAL, "--pool", "POOL", "--exclude-source", "imdb"], "must name a source of the pool"),
        (["--target", GOAL, "--pool", "POOL", "--where", "name"], "--where must be COLUMN=VALUE"),
        (["--target", GOAL, "--pool", "POOL", "--output", "a.txt"], "--output must end in .json"),
        (["--target", GOAL, "--pool", "nowhere.jsonl"], "nowhere.jsonl"),
        (["evaluate", "--data", "nowhere"], "--data must be a folder"),
        (["evaluate", "--data", ".", "--part", "niv3"], "--part must be one of niv2"),
        (["experiment", "--data", "nowhere", "--output", "out"], "must be a readable file"),
        (
            ["experiment", "--data", "x", "--output", "out", "--learner", "svm"],
            "--learner must be one of bundled, ridge",
        ),
    ],
)
def test_bad_input_leaves_with_2_and_one_sentence(pool, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    assert command("select-tasks", *[str(pool) if word == "POOL" else word for word in words]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_the_commands_evaluate_and_experiment(folder, tmp_path, capsys):
    pytest.importorskip("jinja2")
    out = tmp_path / "scores"
    evaluate = ("select-tasks", "evaluate", "--data", folder, "--part", "roe", "--output", out, "--quiet")
    assert command(*evaluate) == 0
    assert "bundled@answerspace" in capsys.readouterr().out
    assert (out / "selection.json").exists()
    runs = tmp_path / "runs"
    sweep = ("select-tasks", "experiment", "--data", folder, "--output", runs, "--k", "1,2", "--tokens", 60)
    few = ("--target-examples", 6, "--seeds", 1, "--draws", 1, "--own", 0, "--any-target", "--quiet")
    assert command(*sweep, "--learner", "ridge", *few) == 0
    shown = capsys.readouterr().out
    assert "selected  k = 1" in shown
    assert "minus random" in shown
    assert "chance  50.0" in shown
    assert (runs / "sweep-labels.svg").read_text().startswith("<svg")
