"""The arithmetic of the scores: arrays in, numbers out. Everything a person reads is times 100.

Definitions follow the InBedder evaluation (arXiv 2402.09642, section 4); where its code relies on one seed, these
say how much the number moves. A bootstrap is kept as its draws: two encoders judged on the same items with the same
draws are compared by subtracting them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from answerspace.answers import Array
from answerspace.similarity import cosine, unit_rows

Numbers = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
RESAMPLES = 1_000
MOVEMENT_PAIRS = 20_000  # pairs of texts whose cosines are compared between two questions


@dataclass(frozen=True)
class Score:
    """A number times 100 with the range it comes from: ``low`` to ``high``, as ``spread`` says in words."""

    value: float
    low: float
    high: float
    spread: str

    def __str__(self) -> str:
        return f"{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]"


# --- what a range is made from -----------------------------------------------------------------------------------


def over_seeds(values: Numbers) -> Score:
    """Mean, and one standard deviation to each side; a single run has no spread."""
    mean = float(values.mean())
    if len(values) == 1:
        return Score(mean, mean, mean, "one k-means run")
    deviation = float(values.std(ddof=1))
    return Score(mean, mean - deviation, mean + deviation, f"mean and sd of {len(values)} k-means seeds")


def from_draws(value: float, draws: Numbers, what: str) -> Score:
    """A value with the 95 % percentile interval of its bootstrap draws over ``what``."""
    low, high = np.percentile(draws, [2.5, 97.5])
    return Score(value, float(low), float(high), f"95 % bootstrap interval over {what}")


def resampled(n: int, key: str, resamples: int = RESAMPLES) -> Iterator[Rows]:
    """``resamples`` times n item numbers drawn with replacement; the same for equal n and key."""
    rng = np.random.default_rng([n, zlib.crc32(key.encode())])
    for _ in range(resamples):
        yield rng.integers(0, n, n)


def bootstrap(
    statistic: Callable[[Rows], float], n: int, *, key: str = "", resamples: int = RESAMPLES
) -> tuple[float, Numbers]:
    """``statistic`` of all n item numbers, and its draws over items drawn with replacement."""
    draws = np.array([statistic(rows) for rows in resampled(n, key, resamples)])
    return statistic(np.arange(n)), draws


class Groups:
    """Items that belong together and are resampled together, by a name per item."""

    def __init__(self, names: Sequence[str]) -> None:
        places: dict[str, list[int]] = {}
        for i, name in enumerate(names):
            places.setdefault(name, []).append(i)
        self.names = list(places)
        self._items = [np.array(items, np.intp) for items in places.values()]
        sizes = {len(items) for items in self._items}
        self._square = np.stack(self._items) if len(sizes) == 1 else None

    def __len__(self) -> int:
        return len(self._items)

    def items(self, groups: Rows) -> Rows:
        """The item numbers of the groups, in their order, repeated where a group is."""
        if self._square is not None:
            return np.asarray(self._square[groups].ravel())
        return np.concatenate([self._items[group] for group in groups])


# --- triplets ----------------------------------------------------------------------------------------------------


def triplet_success(anchors: Array, positives: Array, negatives: Array) -> npt.NDArray[np.bool_]:
    """(n,) True where the anchor is strictly closer to its positive than to its negative by cosine; a tie fails."""
    return np.asarray(cosine(anchors, positives) > cosine(anchors, negatives))


def harmonic_mean(*rates: float) -> float:
    """Harmonic mean of rates in [0, 1], with the published 1e-8 that keeps a rate of 0 finite."""
    return len(rates) / sum(1 / (max(rate, 0.0) + 1e-8) for rate in rates)


# --- pairs -------------------------------------------------------------------------------------------------------


def pair_spearman(cosines: Array | Numbers, ratings: Array | Numbers) -> float:
    """Spearman correlation x 100 of (n,) cosines with (n,) ratings; no variation on either side scores 0.

    Where every pair comes once with rating 0 and once with 1, an encoder that ignores the question ties each pair
    with itself and scores exactly 0: average ranks are halves, and halves add up without rounding.
    """
    ranks, wanted = _average_ranks(np.asarray(cosines)), _average_ranks(np.asarray(ratings))
    ranks, wanted = ranks - ranks.mean(), wanted - wanted.mean()
    scale = float(np.sqrt((ranks**2).sum() * (wanted**2).sum()))
    return 100 * float((ranks * wanted).sum()) / scale if scale > 0 else 0.0


def _average_ranks(values: npt.NDArray[Any]) -> Numbers:
    """Ranks from 1; equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place])


# --- clusters ----------------------------------------------------------------------------------------------------


def v_measures(gold: npt.NDArray[np.intp], labels: npt.NDArray[Any]) -> Numbers:
    """(S,) V-measure x 100 of (S, n) cluster numbers against (n,) gold numbers, both counted from 0."""
    runs, n = labels.shape
    classes, clusters = int(gold.max()) + 1, int(labels.max()) + 1
    cells = (np.arange(runs)[:, None] * classes + gold) * clusters + labels
    counts = np.bincount(cells.ravel(), minlength=runs * classes * clusters).reshape(runs, classes, clusters)
    joint, of_gold, of_labels = (_entropy(one / n) for one in (counts, counts.sum(2), counts.sum(1)))
    both = of_gold + of_labels
    information = np.maximum(both - joint, 0)
    return np.asarray(100 * np.where(both > 1e-12, 2 * information / np.maximum(both, 1e-12), 1.0), np.float64)


def _entropy(shares: Numbers) -> Numbers:
    """(S, ...) shares -> (S,) entropies in nats; a share of 0 adds nothing."""
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(0 - (shares * logs).reshape(len(shares), -1).sum(1), np.float64)


def v_draws(gold: npt.NDArray[np.intp], labels: npt.NDArray[Any], key: str, resamples: int = RESAMPLES) -> Numbers:
    """(resamples,) mean V-measure x 100 over the runs, on texts drawn with replacement.

    Copies of a text always share a cluster, which lifts every draw a little: take differences of draws, not levels.
    """
    draws = [v_measures(gold[rows], labels[:, rows]).mean() for rows in resampled(len(gold), key, resamples)]
    return np.array(draws)


def movement(spaces: Sequence[Array]) -> float:
    """How much the space moves when the question does, x 100: 0 for an encoder that ignores it.

    100 minus the Spearman correlation (x 100) of the cosines of the same pairs of texts, mean over pairs of
    questions. ``spaces`` are (n, d) vectors of the same texts. Random vectors reach 100, so read it beside V.
    """
    n = len(spaces[0])
    first, second = np.triu_indices(n, 1)
    if len(first) > MOVEMENT_PAIRS:
        chosen = np.random.default_rng(0).choice(len(first), MOVEMENT_PAIRS, replace=False)
        first, second = first[chosen], second[chosen]
    cosines = []
    for space in spaces:
        rows = unit_rows(space)
        cosines.append(np.einsum("nd,nd->n", rows[first], rows[second]))
    moved = []
    for i, one in enumerate(cosines):
        for other in cosines[i + 1 :]:
            same = bool((one == other).all())
            moved.append(0.0 if same else 100 - pair_spearman(one, other))
    return float(np.mean(moved))


# --- rankings ----------------------------------------------------------------------------------------------------


def average_precision(relevant: npt.NDArray[np.bool_], scores: Array | Numbers) -> float:
    """Average precision of one query: mean precision at the ranks of the relevant candidates, best score first."""
    hits = relevant[np.argsort(np.negative(scores), kind="stable")]
    return float((np.cumsum(hits)[hits] / (np.flatnonzero(hits) + 1)).mean())


def reciprocal_rank(relevant: npt.NDArray[np.bool_], scores: Array | Numbers) -> float:
    """One over the rank of the first relevant candidate."""
    hits = relevant[np.argsort(np.negative(scores), kind="stable")]
    return 1 / (1 + int(np.argmax(hits)))
