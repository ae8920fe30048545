"""Selected tasks, random tasks, all tasks at one token budget: what a model trained on each does on the target.

For every way of choosing, number of tasks k and seed: choose, mix to the budget, train, evaluate by rank
classification and ROUGE-L. Results are appended to ``runs.jsonl`` one by one, so a stopped sweep goes on. Whether more
tasks hurt is read from the curve; nothing here presumes it.

The pool is the same for every target: no task made from a data set of any target is in it. So one model of random
tasks, or of all of them, is trained and judged on every target.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from answerspace.errors import InputError
from answerspace.task_selection.instruction_vectors import InstructionEncoder
from answerspace.task_selection.mixture import Examples, MixedExample, build_mixture
from answerspace.task_selection.rank_classification import rank_accuracy, rouge_l
from answerspace.task_selection.ranking import InstructionSpace, SelectionRecipe, pick
from answerspace.task_selection.task_pool import PoolTask

Numbers = npt.NDArray[np.float64]
RUNS = "runs.jsonl"
UNTRAINED, SELECTED, RANDOM, ALL, OWN = "untrained", "selected", "random", "all", "own"
WAYS = (UNTRAINED, SELECTED, RANDOM, ALL, OWN)
LABELS, OUTPUTS = "labels", "outputs"  # what the choices of a target are
MOST_LABELS = 10
LEAST_OF_A_LABEL = 3


@dataclass(frozen=True)
class Target:
    """A task to do well on.

    ``examples`` are (input, answer) pairs that nothing trains on, ``others`` the rest that it has. ``choices`` are
    ranked for every example: the task's labels, or without fixed labels the answers of all the examples.
    """

    task: PoolTask
    examples: list[tuple[str, str]]
    choices: tuple[str, ...]
    others: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class RunResult:
    """One trained model on one target.

    ``calibrated`` is the accuracy when each choice's mean score over the target's examples is taken out first, so that
    a label that the sources favour does not win every row. ``settings`` is all that the run depends on besides its way,
    k and seed.
    """

    target: str
    way: str
    k: int
    seed: int
    examples: int
    accuracy: float
    rouge_l: float
    chance: float
    majority: float
    calibrated: float | None = None
    kind: str = LABELS
    settings: str = ""


class Trained(Protocol):
    """A trained model: (n, c) scores of choices, larger is better."""

    def scores(self, target: Target) -> Numbers:
        """One row per example of the target, one column per choice."""
        ...


Trainer = Callable[[Sequence[MixedExample], int], Trained]  # mixture, seed -> model


@dataclass(frozen=True)
class Learner:
    """What is trained: ``settings`` says it in full; ``untrained``: without examples it gives the model before."""

    settings: str
    train: Trainer
    untrained: bool = False


@dataclass(frozen=True)
class SweepPlan:
    """Numbers of tasks ``sizes``, words of training data ``tokens``, distinct examples ``per_task``.

    Of an instruction at most ``instruction_words`` are counted, as many as the learner reads. ``seeds`` are runs of
    the selected tasks, ``draws`` of random tasks and of all, ``own`` of the target's other examples (an upper mark).
    ``context`` says in words what else the runs depend on, such as the encoder and how inputs were cut.
    """

    sizes: tuple[int, ...]
    tokens: int
    per_task: int | None = None
    instruction_words: int | None = None
    seeds: int = 3
    draws: int = 3
    own: int = 0
    context: str = ""


def has_labels(task: PoolTask) -> bool:
    """Whether the task has 2 to 10 fixed labels."""
    return 2 <= len(task.answers) <= MOST_LABELS


def targets_of(
    tasks: Sequence[PoolTask], examples: Examples, *, kind: str = LABELS, most: int = 30, seed: int = 0
) -> list[Target]:
    """The tasks of a kind as targets with about ``most`` examples each, drawn at random.

    With labels: equally many examples of every label, at least three, so the commonest is right as often as chance.
    Without: ``most`` examples with different outputs, which are also the choices.
    """
    found = []
    for task in tasks:
        rows = list(examples.get(task.name, ()))
        drawn = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
        labels = task.answers if kind == LABELS else tuple(dict.fromkeys(answer for _, answer in drawn))[:most]
        if has_labels(task) != (kind == LABELS) or (kind == OUTPUTS and len(labels) < most):
            continue
        by_label = {label: [row for row in drawn if row[1] == label] for label in labels}
        each = min(max(1, most // len(labels)), *(len(group) for group in by_label.values()))
        if each < LEAST_OF_A_LABEL and kind == LABELS:
            continue
        kept = [row for group in by_label.values() for row in group[:each]]
        others = [row for row in rows if row not in kept and (kind == OUTPUTS or row[1] in by_label)]
        found.append(Target(task, kept, tuple(labels), others))
    return found


def spread_over_categories(targets: Sequence[Target], most: int) -> list[Target]:
    """At most so many targets, one of every category in turn, in the order given, each of another data set."""
    by_category: dict[str, list[Target]] = {}
    origins: set[str] = set()
    for target in targets:
        if target.task.origin and target.task.origin in origins:
            continue
        origins.add(target.task.origin)
        by_category.setdefault(target.task.category, []).append(target)
    longest = max((len(group) for group in by_category.values()), default=0)
    turns = [group[turn] for turn in range(longest) for group in by_category.values() if turn < len(group)]
    return turns[:most]


def shortened(examples: Examples, *, words: int, most: int | None = None) -> dict[str, list[tuple[str, str]]]:
    """The first ``most`` examples of each task, inputs cut to their first ``words`` words."""
    return {
        name: [(" ".join(text.split()[:words]), answer) for text, answer in rows[:most]]
        for name, rows in examples.items()
    }


@dataclass(frozen=True)
class _Job:
    """One model to train, and the targets it is judged on. ``tasks`` are places in the pool."""

    way: str
    k: int
    seed: int
    tasks: Sequence[int]
    targets: Sequence[Target]


def run_sweep(
    targets: Sequence[Target],
    pool: Sequence[PoolTask],
    examples: Examples,
    encode: InstructionEncoder,
    learner: Learner,
    output: Path,
    plan: SweepPlan,
    *,
    recipe: SelectionRecipe | None = None,
    tell: Callable[[str], None] = lambda note: None,
) -> list[RunResult]:
    """All runs of this plan, those kept in ``output/runs.jsonl`` by an earlier call included."""
    if not targets:
        raise InputError("The experiment needs targets with fixed labels and examples. Got none.")
    origins = {target.task.origin for target in targets} - {""}
    names = {target.task.name for target in targets}
    usable = [t for t in pool if examples.get(t.name) and t.origin not in origins and t.name not in names]
    if not usable:
        raise InputError("The pool must hold tasks with examples that are not of a target's data set. Got none.")
    output.mkdir(parents=True, exist_ok=True)
    path = output / RUNS
    kept = read_runs(output) if path.exists() else []
    path.write_text("".join(json.dumps(asdict(one)) + "\n" for one in kept), encoding="utf-8")  # whole lines only
    settings = settings_text(learner, plan, usable)
    results = {_key(one): one for one in kept if one.settings == settings}
    space = InstructionSpace([*usable, *(t.task for t in targets)], encode, recipe or SelectionRecipe())
    sources = list(range(len(usable)))
    ranked = [pick(space.scores(len(usable) + i, sources), len(usable)) for i in range(len(targets))]
    jobs = _jobs(plan, targets, ranked, len(usable), untrained=learner.untrained)
    wanted = [(job.way, job.k, job.seed, target.task.name) for job in jobs for target in job.targets]
    for number, job in enumerate(jobs, 1):
        missing = [t for t in job.targets if (job.way, job.k, job.seed, t.task.name) not in results]
        if not missing:
            continue
        mixture = _mixture(job, usable, examples, plan)
        model = learner.train(mixture, job.seed)
        for target in missing:
            result = judge(model, target, job.way, job.k, job.seed, len(mixture), settings)
            results[_key(result)] = result
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(result)) + "\n")
        tell(f"{job.way}, k = {job.k}, seed {job.seed}: done ({number} of {len(jobs)} models)")
    return [results[key] for key in wanted]


def judge(model: Trained, target: Target, way: str, k: int, seed: int, examples: int, settings: str = "") -> RunResult:
    """Rank classification and ROUGE-L of one model on one target."""
    choices, answers = list(target.choices), [answer for _, answer in target.examples]
    scores = model.scores(target)
    said = [choices[i] for i in scores.argmax(1)]
    return RunResult(
        target.task.name,
        way,
        k,
        seed,
        examples,
        rank_accuracy(scores, choices, answers),
        float(np.mean([rouge_l(a, b) for a, b in zip(said, answers, strict=True)])),
        1 / len(choices),
        max(answers.count(choice) for choice in choices) / len(answers),
        rank_accuracy(scores - scores.mean(0), choices, answers),
        LABELS if has_labels(target.task) else OUTPUTS,
        settings,
    )


def settings_text(learner: Learner, plan: SweepPlan, pool: Sequence[PoolTask]) -> str:
    """What every run of a sweep depends on, for the key of a finished run."""
    budget = f"{plan.tokens} words, at most {plan.per_task} examples a task"
    parts = [learner.settings, budget, f"instructions of {plan.instruction_words} words", f"pool of {len(pool)}"]
    return "; ".join([*parts, *([plan.context] if plan.context else [])])


def read_runs(output: Path) -> list[RunResult]:
    """The runs kept in a folder; a line cut off by an interrupt is dropped."""
    found = []
    for line in (output / RUNS).read_text(encoding="utf-8").splitlines():
        try:
            found.append(RunResult(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found


def _key(run: RunResult) -> tuple[str, int, int, str]:
    return run.way, run.k, run.seed, run.target


def _jobs(
    plan: SweepPlan, targets: Sequence[Target], ranked: Sequence[Sequence[int]], pool: int, *, untrained: bool
) -> list[_Job]:
    """All models to train, seed by seed, so that what is there after an interrupt is a smaller sweep."""
    jobs = [_Job(UNTRAINED, 0, 0, (), targets)] if untrained else []
    sizes = [k for k in plan.sizes if k < pool]
    for seed in range(max(plan.seeds, plan.draws, plan.own)):
        if seed < plan.draws:
            order = np.random.default_rng(seed).permutation(pool).tolist()
            jobs += [_Job(RANDOM, k, seed, order[:k], targets) for k in sizes]
            jobs.append(_Job(ALL, pool, seed, range(pool), targets))
        for target, best in zip(targets, ranked, strict=True):
            if seed < plan.seeds:
                jobs += [_Job(SELECTED, k, seed, best[:k], [target]) for k in sizes]
            if seed < plan.own and target.others:
                jobs.append(_Job(OWN, 1, seed, (), [target]))
    return jobs


def _mixture(job: _Job, pool: Sequence[PoolTask], examples: Examples, plan: SweepPlan) -> list[MixedExample]:
    if job.way == UNTRAINED:
        return []
    tasks, rows = [pool[i] for i in job.tasks], examples
    if job.way == OWN:
        tasks, rows = [job.targets[0].task], {job.targets[0].task.name: job.targets[0].others}

    def count(text: str) -> int:
        return min(len(text.split()), plan.instruction_words or len(text))

    per_task = None if job.way == OWN else plan.per_task
    return build_mixture(tasks, rows, per_task=per_task, tokens=plan.tokens, count=count, seed=job.seed)
