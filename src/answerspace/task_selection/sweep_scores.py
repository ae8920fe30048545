"""What the runs of an experiment say: accuracy by way and number of tasks, and paired differences, with intervals.

Targets and seeds are both drawn with replacement, each on its own: a model of random tasks is judged on every target,
so what its tasks happened to be moves all targets at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from answerspace.evaluation.scores import Score, from_draws, resampled
from answerspace.task_selection.transfer_experiment import WAYS, RunResult

Numbers = npt.NDArray[np.float64]
Place = tuple[str, int]  # way and k


def sweep_curve(results: Sequence[RunResult], measure: str = "calibrated") -> dict[str, dict[int, Score]]:
    """A measure (``calibrated``, ``accuracy`` or ``rouge_l``) x 100 by way and k, mean over targets and seeds."""
    return {
        way: {k: _score([run_table(results, (way, k), measure)], [1.0]) for k in sizes}
        for way in WAYS
        if (sizes := sorted({r.k for r in results if r.way == way}))
    }


def advantage(results: Sequence[RunResult], one: Place, other: Place, measure: str = "calibrated") -> Score:
    """A measure x 100 of one (way, k) minus another's, paired by target; both must have the same targets."""
    return _score([run_table(results, place, measure) for place in (one, other)], [1.0, -1.0])


def run_table(results: Sequence[RunResult], place: Place, measure: str = "calibrated") -> Numbers:
    """(targets, seeds) of a measure at one way and k; targets in the order of their names."""
    found = {(r.target, r.seed): float(getattr(r, measure)) for r in results if (r.way, r.k) == place}
    names, seeds = (sorted({key[i] for key in found}) for i in range(2))
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
