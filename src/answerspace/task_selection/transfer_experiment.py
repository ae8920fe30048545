"""Selected tasks, random tasks, all tasks at one token budget: what a model trained on each does on the target.

For every target, number of tasks k and seed: choose, mix to the budget, train, evaluate by rank classification and
ROUGE-L. Results are appended to ``runs.jsonl`` one by one, so a stopped sweep goes on. Whether more tasks hurt is
read from the curve; nothing here presumes it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from answerspace.errors import InputError
from answerspace.evaluation.scores import Score, bootstrap, from_draws
from answerspace.task_selection.answer_predictor import AnswerPredictor
from answerspace.task_selection.instruction_vectors import InstructionEncoder
from answerspace.task_selection.mixture import Examples, MixedExample, build_mixture
from answerspace.task_selection.rank_classification import rank_accuracy, rouge_l
from answerspace.task_selection.ranking import InstructionSpace, SelectionRecipe, pick
from answerspace.task_selection.task_pool import PoolTask
from answerspace.task_selection.task_scores import unit

Numbers = npt.NDArray[np.float64]
RUNS = "runs.jsonl"
WAYS = ("selected", "random", "all")
MOST_LABELS = 10


@dataclass(frozen=True)
class Target:
    """A task to do well on: its choices, and (input, answer) examples that nothing trains on."""

    task: PoolTask
    examples: list[tuple[str, str]]


@dataclass(frozen=True)
class RunResult:
    """One trained model on one target."""

    target: str
    way: str
    k: int
    seed: int
    examples: int
    accuracy: float
    rouge_l: float
    chance: float
    majority: float


class Trained(Protocol):
    """A trained model: (n, c) scores of choices, larger is better."""

    def scores(self, target: Target) -> Numbers:
        """One row per example of the target, one column per choice."""
        ...


Trainer = Callable[[Sequence[MixedExample], int], Trained]  # mixture, seed -> model


def classification_targets(tasks: Sequence[PoolTask], examples: Examples, *, most: int = 30) -> list[Target]:
    """The tasks with 2 to 10 fixed labels of which at least two occur among their examples, ``most`` examples each."""
    found = []
    for task in tasks:
        rows = [row for row in examples.get(task.name, ()) if row[1] in task.answers][:most]
        if 2 <= len(task.answers) <= MOST_LABELS and len({answer for _, answer in rows}) > 1:
            found.append(Target(task, rows))
    return found


def spread_over_categories(targets: Sequence[Target], most: int) -> list[Target]:
    """At most so many targets, one of every category in turn, in the order given."""
    by_category: dict[str, list[Target]] = {}
    for target in targets:
        by_category.setdefault(target.task.category, []).append(target)
    longest = max((len(group) for group in by_category.values()), default=0)
    turns = [group[turn] for turn in range(longest) for group in by_category.values() if turn < len(group)]
    return turns[:most]


def shortened(examples: Examples, *, most: int, words: int) -> dict[str, list[tuple[str, str]]]:
    """The first ``most`` examples of each task, inputs cut to their first ``words`` words."""
    return {
        name: [(" ".join(text.split()[:words]), answer) for text, answer in rows[:most]]
        for name, rows in examples.items()
    }


def run_sweep(
    targets: Sequence[Target],
    pool: Sequence[PoolTask],
    examples: Examples,
    encode: InstructionEncoder,
    train: Trainer,
    output: Path,
    *,
    sizes: Sequence[int],
    tokens: int,
    per_task: int | None = None,
    seeds: int = 3,
    recipe: SelectionRecipe | None = None,
    tell: Callable[[str], None] = lambda note: None,
) -> list[RunResult]:
    """All runs, those in ``output/runs.jsonl`` included. Pool tasks of the target's own data set are left out."""
    if not targets:
        raise InputError("The experiment needs targets with fixed labels and examples. Got none.")
    output.mkdir(parents=True, exist_ok=True)
    path = output / RUNS
    results = read_runs(output) if path.exists() else []
    path.write_text("".join(json.dumps(asdict(one)) + "\n" for one in results), encoding="utf-8")  # whole lines only
    done = {(r.target, r.way, r.k, r.seed) for r in results}
    usable = [task for task in pool if examples.get(task.name)]
    space = InstructionSpace([*usable, *(t.task for t in targets)], encode, recipe or SelectionRecipe())
    for place, target in enumerate(targets):
        sources = [i for i, task in enumerate(usable) if not task.origin or task.origin != target.task.origin]
        scores = space.scores(len(usable) + place, sources)
        for way, k, seed in _plan(sizes, len(usable), seeds):
            if (target.task.name, way, k, seed) in done:
                continue
            tasks = [usable[i] for i in _chosen(way, k, seed, scores, sources, len(usable))]
            mixture = build_mixture(tasks, examples, per_task=per_task, tokens=tokens, seed=seed)
            result = judge(train(mixture, seed), target, way, k, seed, len(mixture))
            results.append(result)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(result)) + "\n")
        tell(f"{target.task.name}: done ({place + 1} of {len(targets)})")
    return results


def judge(model: Trained, target: Target, way: str, k: int, seed: int, examples: int) -> RunResult:
    """Rank classification and ROUGE-L of one model on one target."""
    choices, answers = list(target.task.answers), [answer for _, answer in target.examples]
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
    )


def predictor_trainer(encode: InstructionEncoder) -> Trainer:
    """Trains an AnswerPredictor on the encoder's vectors; give an encoder that remembers."""

    def train(mixture: Sequence[MixedExample], seed: int) -> Trained:
        distinct = list(dict.fromkeys((one.input, one.instruction, one.output) for one in mixture))
        inputs, instructions, answers = (unit(encode([row[i] for row in distinct])) for i in range(3))
        return _Predictor(AnswerPredictor.fit(inputs, instructions, answers), encode)

    return train


@dataclass(frozen=True)
class _Predictor:
    model: AnswerPredictor
    encode: InstructionEncoder

    def scores(self, target: Target) -> Numbers:
        inputs = unit(self.encode([text for text, _ in target.examples]))
        instruction = unit(self.encode([target.task.instructions[0]]))
        scores = self.model.choice_scores(inputs, instruction, unit(self.encode(list(target.task.answers))))
        return np.asarray(scores - scores.mean(0))  # a label that the sources favour must not win every row


def read_runs(output: Path) -> list[RunResult]:
    """The runs kept in a folder; a line cut off by an interrupt is dropped."""
    found = []
    for line in (output / RUNS).read_text(encoding="utf-8").splitlines():
        try:
            found.append(RunResult(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found


def sweep_curve(results: Sequence[RunResult]) -> dict[str, dict[int, Score]]:
    """Accuracy x 100 by way and k: mean over targets of the mean over seeds, with the interval over targets."""
    curve: dict[str, dict[int, Score]] = {}
    for way in WAYS:
        for k in sorted({r.k for r in results if r.way == way}):
            by_target: dict[str, list[float]] = {}
            for r in results:
                if r.way == way and r.k == k:
                    by_target.setdefault(r.target, []).append(r.accuracy)
            means = np.array([np.mean(values) for values in by_target.values()])
            value, draws = bootstrap(lambda rows, m=means: 100 * float(m[rows].mean()), len(means), key="targets")  # type: ignore[misc]
            curve.setdefault(way, {})[k] = from_draws(value, draws, f"{len(means)} targets")
    return curve


def advantage(results: Sequence[RunResult], one: tuple[str, int], other: tuple[str, int]) -> Score:
    """Accuracy x 100 of one (way, k) minus another's, paired by target, with the interval over targets."""
    means: list[dict[str, float]] = []
    for way, k in (one, other):
        names = {r.target for r in results}
        means.append(
            {n: float(np.mean([r.accuracy for r in results if (r.target, r.way, r.k) == (n, way, k)])) for n in names}
        )
    gains = np.array([means[0][name] - means[1][name] for name in sorted(means[0])])
    value, draws = bootstrap(lambda rows: 100 * float(gains[rows].mean()), len(gains), key="targets")
    return from_draws(value, draws, f"{len(gains)} targets")


def _plan(sizes: Sequence[int], pool: int, seeds: int) -> Iterator[tuple[str, int, int]]:
    for seed in range(seeds):
        for k in sizes:
            if k < pool:
                yield "selected", k, seed
                yield "random", k, seed
        yield "all", pool, seed


def _chosen(way: str, k: int, seed: int, scores: Numbers, sources: Sequence[int], pool: int) -> list[int]:
    """Places in the pool. A seed's random order is the same for every target, so its texts are encoded once."""
    if way == "selected":
        return [sources[i] for i in pick(scores, k)]  # all of them where k is larger
    allowed = set(sources)
    if way == "random":
        return [int(i) for i in np.random.default_rng(seed).permutation(pool) if int(i) in allowed][:k]
    return list(sources)
