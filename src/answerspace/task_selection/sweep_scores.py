"""What the runs of an experiment say: accuracy by way and number of tasks, and paired differences, with intervals.

Targets and seeds are both drawn with replacement, each on its own: a model of random tasks is judged on every target,
so what its tasks happened to be moves all targets at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from answerspace.evaluation.scores import Score, from_draws, resampled
from answerspace.task_selection.sweep_plot import sweep_svg
from answerspace.task_selection.transfer_experiment import ALL, OWN, RANDOM, SELECTED, UNTRAINED, WAYS, RunResult

Numbers = npt.NDArray[np.float64]
LINES = {UNTRAINED: "untrained", OWN: "own examples"}
Place = tuple[str, int]  # way and k


def sweep_curve(results: Sequence[RunResult], measure: str = "accuracy") -> dict[str, dict[int, Score]]:
    """A measure (``accuracy``, ``calibrated`` or ``rouge_l``) x 100 by way and k, mean over targets and seeds."""
    return {
        way: {k: _score([run_table(results, (way, k), measure)], [1.0]) for k in sizes}
        for way in WAYS
        if (sizes := sorted({r.k for r in results if r.way == way}))
    }


def advantage(results: Sequence[RunResult], one: Place, other: Place, measure: str = "accuracy") -> Score:
    """A measure x 100 of one (way, k) minus another's, paired by target; both must have the same targets."""
    return _score([run_table(results, place, measure) for place in (one, other)], [1.0, -1.0])


def sweep_lines(results: Sequence[RunResult]) -> list[str]:
    """The curve and what selection gains over random tasks and over all, as lines to print."""
    curve, calibrated = sweep_curve(results), sweep_curve(results, "calibrated")
    lines = [
        f"{way:>9}  k = {size:<4} accuracy {score}, calibrated {calibrated[way][size]}"
        for way, points in curve.items()
        for size, score in points.items()
    ]
    for size in curve.get(SELECTED, {}):
        for other in ((RANDOM, size), *((ALL, whole) for whole in curve.get(ALL, {}))):
            if other[1] in curve.get(other[0], {}):
                gains = [advantage(results, (SELECTED, size), other, measure) for measure in ("accuracy", "calibrated")]
                what = f"minus {other[0]}, k = {other[1]}:"
                lines.append(f"{SELECTED:>9}  k = {size:<4} {what} {gains[0]}, calibrated {gains[1]}")
    return [*lines, f"   chance  {chance(results):.1f}"]


def chance(results: Sequence[RunResult]) -> float:
    """Accuracy x 100 of saying any choice, mean over targets."""
    return 100 * float(np.mean(list({r.target: r.chance for r in results}.values())))


def sweep_plot(results: Sequence[RunResult], title: str) -> str:
    """The curve as SVG; ways that have no number of tasks are lines."""
    curve = sweep_curve(results)
    lines = {name: next(iter(curve[way].values())).value for way, name in LINES.items() if way in curve}
    points = {way: sizes for way, sizes in curve.items() if way not in LINES}
    return sweep_svg(points, title=title, lines={"chance": chance(results)} | lines)


def run_table(results: Sequence[RunResult], place: Place, measure: str = "accuracy") -> Numbers:
    """(targets, seeds) of a measure at one way and k; targets in the order of their names."""
    found = {(r.target, r.seed): float(getattr(r, measure)) for r in results if (r.way, r.k) == place}
    names, seeds = sorted({name for name, _ in found}), sorted({seed for _, seed in found})
    return np.array([[found[name, seed] for seed in seeds] for name in names])


def _score(tables: Sequence[Numbers], signs: Sequence[float]) -> Score:
    n = len(tables[0])
    seeds = [resampled(table.shape[1], f"seeds {i}") for i, table in enumerate(tables)]
    draws = [
        sum(
            sign * table[np.ix_(rows, columns)].mean()
            for sign, table, columns in zip(signs, tables, drawn, strict=True)
        )
        for rows, *drawn in zip(resampled(n, "targets"), *seeds, strict=True)
    ]
    value = sum(sign * float(table.mean()) for sign, table in zip(signs, tables, strict=True))
    what = f"{n} targets and {', '.join(str(table.shape[1]) for table in tables)} seeds"
    return from_draws(100 * value, 100 * np.array(draws), what)
