"""The arithmetic of the scores: arrays in, numbers out. Everything a person reads is times 100.

Definitions follow the InBedder evaluation (arXiv 2402.09642, section 4); where its code relies on one seed, these
say how much the number moves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.metrics import v_measure_score
from threadpoolctl import threadpool_limits

from answerspace.answers import Array
from answerspace.similarity import cosine

Numbers = npt.NDArray[np.float64]
STARTS = 10  # k-means++ starts per seed; the best one counts
RESAMPLES = 1_000
SMALL = 1_000  # rows up to which k-means is faster on one thread, several times so on a busy machine


@dataclass(frozen=True)
class Score:
    """A number times 100 with the range it comes from: ``low`` to ``high``, as ``spread`` says in words."""

    value: float
    low: float
    high: float
    spread: str

    def __str__(self) -> str:
        return f"{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]"


def triplet_success(anchors: Array, positives: Array, negatives: Array) -> npt.NDArray[np.bool_]:
    """(n,) True where the anchor is strictly closer to its positive than to its negative by cosine; a tie fails."""
    return np.asarray(cosine(anchors, positives) > cosine(anchors, negatives))


def harmonic_mean(a: float, b: float) -> float:
    """Harmonic mean of two rates in [0, 1], with the published 1e-8 that keeps a rate of 0 finite."""
    return 2 / (1 / (a + 1e-8) + 1 / (b + 1e-8))


def pair_spearman(different: Array | Numbers, same: Array | Numbers) -> float:
    """Spearman correlation x 100 of (n,) cosines with 0 under ``q_diff`` and 1 under ``q_same``.

    Every pair comes with both questions, so an encoder that ignores the question ties each pair with itself and
    scores exactly 0: average ranks are halves, and halves add up without rounding. No variation at all scores 0.
    """
    ranks = _average_ranks(np.concatenate([different, same]))
    ratings = np.repeat([-0.5, 0.5], [len(different), len(same)])
    ratings = ratings - ratings.mean()
    centred = ranks - ranks.mean()
    scale = float(np.sqrt((centred**2).sum() * (ratings**2).sum()))
    return 100 * float((centred * ratings).sum()) / scale if scale > 0 else 0.0


def clustering_scores(vectors: Array, labels: Sequence[str], *, seeds: int = 10) -> Numbers:
    """(seeds,) V-measure x 100 of full k-means with as many clusters as labels, seeds 0, 1, 2, ..."""
    gold = np.unique(np.asarray(labels), return_inverse=True)[1]
    distinct = len(np.unique(vectors, axis=0))
    clusters = min(int(gold.max()) + 1, distinct)
    with threadpool_limits(1 if len(vectors) < SMALL else None):
        found = [KMeans(clusters, n_init=STARTS, random_state=seed).fit_predict(vectors) for seed in range(seeds)]
    return np.array([100 * v_measure_score(gold, one) for one in found])


def over_seeds(values: Numbers) -> Score:
    """Mean, and one standard deviation to each side (0 for a single seed)."""
    mean = float(values.mean())
    deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return Score(mean, mean - deviation, mean + deviation, f"mean and sd of {len(values)} k-means seeds")


def bootstrap(
    statistic: Callable[[npt.NDArray[np.intp]], float], n: int, *, resamples: int = RESAMPLES, seed: int = 0
) -> Score:
    """``statistic`` of all n item numbers, with the 95 % percentile interval over items drawn with replacement."""
    rng = np.random.default_rng(seed)
    drawn = [statistic(rng.integers(0, n, n)) for _ in range(resamples)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Score(statistic(np.arange(n)), float(low), float(high), f"95 % bootstrap interval over {n} items")


def _average_ranks(values: npt.NDArray[Any]) -> Numbers:
    """Ranks from 1; equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place])
