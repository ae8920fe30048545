"""Compression of a benchmark: a few weighted items whose weighted mean estimates the score on all of them.

Knows scores (items, models) and vectors of the items, no texts. "clusters" is the published way (PIE, arXiv
2409.19680): k-means over the instructions' vectors, of each cluster the item nearest its centroid. "anchors" clusters
the items by what the known models score on them (Polo et al., tinyBenchmarks, arXiv 2402.14992). Both weigh an item by
its cluster's share of the benchmark. "calibrated" starts there and moves the weights, as little as it must, so that
the estimates fit the known models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from sklearn.cluster import KMeans

from answerspace.answers import Array
from answerspace.errors import InputError
from answerspace.progress import track
from answerspace.similarity import unit_rows

Floats = npt.NDArray[np.float64]
FEWEST_MODELS = 6  # of which the loss can be measured: three known, three estimated
RIDGES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # how dear a change of the weights is, relative to the scores' spread


@dataclass(frozen=True)
class ShortBenchmark:
    """The ``rows`` that are kept and their ``weights``; the estimate is ``offset`` + weights · scores."""

    rows: list[int]
    weights: Floats
    offset: float = 0.0

    def estimate(self, scores: npt.ArrayLike) -> Floats:
        """The estimated mean over all items of each model, from (rows,) or (rows, models) scores on the kept items."""
        return np.asarray(self.offset + self.weights @ np.asarray(scores, np.float64))


@dataclass(frozen=True)
class Fidelity:
    """How well short benchmarks of one size stand for the whole, for models they were not made with.

    Means over draws with a standard deviation: ``error`` (mean absolute error of a model's estimate, in the unit of
    the scores), ``rank`` (Spearman's correlation of estimated and true order of the models), ``swaps`` (the share of
    pairs of models that come out in the wrong order).
    """

    method: str
    size: int
    error: float
    error_sd: float
    rank: float
    rank_sd: float
    swaps: float


def compress(
    scores: npt.ArrayLike, n: int, *, method: str = "calibrated", vectors: Array | None = None, seed: int = 0
) -> ShortBenchmark:
    """Choose n items by (items, models) scores of known models and, for "clusters", (items, d) vectors.

    ``method`` is a key of METHODS. Raises InputError for an unknown method, missing vectors, n outside 1..items, or
    scores that are not finite.
    """
    known = np.asarray(scores, np.float64)
    if known.ndim != 2 or not np.isfinite(known).all():
        raise InputError(f"Scores must be a table (items, models) of finite numbers. Got shape {known.shape}.")
    check_compression(len(known), n, method, with_vectors=vectors is not None)
    if vectors is not None and len(vectors) != len(known):
        raise InputError(f"There must be one vector an item. Got {len(vectors):,} for {len(known):,} items.")
    return METHODS[method](known, n, np.random.default_rng(seed), vectors)


def check_compression(items: int, n: int, method: str, *, with_vectors: bool) -> None:
    """Raise InputError unless n items can be chosen by a method of METHODS."""
    if method not in METHODS:
        raise InputError(f"--method must be one of {', '.join(METHODS)}. Got {method!r}.")
    if not 1 <= n <= items:
        raise InputError(f"--count must be between 1 and the {items:,} items. Got {n:,}.")
    if method in NEED_VECTORS and not with_vectors:
        raise InputError(f"The method {method!r} needs the items' instructions: name their column with --text.")


def measure_fidelity(
    scores: npt.ArrayLike,
    sizes: Sequence[int],
    *,
    methods: Sequence[str] | None = None,
    vectors: Array | None = None,
    draws: int = 20,
    seed: int = 0,
    show_progress: bool = False,
) -> list[Fidelity]:
    """Fidelity by size and method. Each draw splits the models in halves: one is known, the other is estimated.

    All methods see the same splits. ``methods`` None takes all that the vectors allow. Raises InputError for fewer
    than six models, of which there must be at least three on either side.
    """
    every = np.asarray(scores, np.float64)
    if every.shape[1] < FEWEST_MODELS:
        raise InputError(f"Measuring needs the scores of at least {FEWEST_MODELS} models. Got {every.shape[1]}.")
    chosen = list(methods or [name for name in METHODS if vectors is not None or name not in NEED_VECTORS])
    rng = np.random.default_rng(seed)
    splits = [rng.permutation(every.shape[1]) for _ in range(draws)]
    half = every.shape[1] // 2
    jobs = [(size, method) for size in sizes for method in chosen]
    found = []
    for size, method in track(jobs, "measuring") if show_progress else jobs:
        results = []
        for draw, split in enumerate(splits):
            short = compress(every[:, split[:half]], size, method=method, vectors=vectors, seed=seed + draw)
            asked = every[:, split[half:]]
            results.append(_compared(short.estimate(asked[short.rows]), asked.mean(0)))
        errors, ranks, swaps = (np.array(column) for column in zip(*results, strict=True))
        sds = [float(column.std(ddof=1)) if draws > 1 else 0.0 for column in (errors, ranks)]
        found.append(
            Fidelity(method, size, float(errors.mean()), sds[0], float(ranks.mean()), sds[1], float(swaps.mean()))
        )
    return found


def _compared(estimated: Floats, true: Floats) -> tuple[float, float, float]:
    error = float(np.abs(estimated - true).mean())
    a, b = rankdata(np.round(estimated, 9)), rankdata(np.round(true, 9))
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    above = np.triu_indices(len(a), 1)
    signs = np.sign(a[:, None] - a[None])[above] * np.sign(b[:, None] - b[None])[above]
    decided = np.sign(b[:, None] - b[None])[above] != 0
    swaps = float((0.5 - signs[decided] / 2).mean()) if decided.any() else 0.0  # a tie in the estimate is half a swap
    return error, float(a @ b) / scale if scale else 0.0, swaps


# --- methods: (known (items, models), n, generator, vectors) -> ShortBenchmark -----------------------------------


def _random(known: Floats, n: int, rng: np.random.Generator, vectors: Array | None) -> ShortBenchmark:
    rows = np.sort(rng.choice(len(known), n, replace=False))
    return ShortBenchmark(rows.tolist(), np.full(n, 1 / n))


def _clusters(known: Floats, n: int, rng: np.random.Generator, vectors: Array | None) -> ShortBenchmark:
    return _centres(unit_rows(np.asarray(vectors, np.float32)), n, rng)


def _anchors(known: Floats, n: int, rng: np.random.Generator, vectors: Array | None) -> ShortBenchmark:
    return _centres(known, n, rng)


def _calibrated(known: Floats, n: int, rng: np.random.Generator, vectors: Array | None) -> ShortBenchmark:
    """Anchors whose weights and offset are fitted to the known models by ridge regression around the shares."""
    short = _centres(known, n, rng)
    return _fitted(short, known)


def _centres(space: npt.NDArray[np.floating], n: int, rng: np.random.Generator) -> ShortBenchmark:
    """The items nearest the centroids of k-means, weighed by cluster; several of one where fewer than n differ."""
    k = min(n, len({row.tobytes() for row in space}))
    model = KMeans(k, n_init=3, random_state=int(rng.integers(2**31)))
    assigned = model.fit_predict(space)
    distances = np.linalg.norm(space - model.cluster_centers_[assigned], axis=1)
    sizes = np.bincount(assigned, minlength=k)
    weights: dict[int, float] = {}
    for cluster, quota in enumerate(_quotas(sizes, n)):
        members = rng.permutation(np.flatnonzero(assigned == cluster))  # ties fall at random
        nearest = members[np.argsort(np.round(distances[members], 9), kind="stable")]
        weights |= {int(row): sizes[cluster] / quota / len(space) for row in nearest[:quota]}
    rows = sorted(weights)
    return ShortBenchmark(rows, np.array([weights[row] for row in rows]))


def _quotas(sizes: npt.NDArray[np.intp], n: int) -> npt.NDArray[np.intp]:
    """n picks shared out to clusters: one each, every further one where a pick stands for most items."""
    quotas = np.minimum(1, sizes)
    for _ in range(n - int(quotas.sum())):
        quotas[np.where(quotas < sizes, sizes / np.maximum(quotas, 1), -1).argmax()] += 1
    return quotas


def _fitted(short: ShortBenchmark, known: Floats) -> ShortBenchmark:
    """Weights w0 + X'(XX' + c I)^-1 (y - X w0) on centred scores; c by the least leave-one-model-out error."""
    x, y = known[short.rows].T, known.mean(0)  # (models, n), (models,)
    if len(y) < 3:
        return short
    shift_x, shift_y = x.mean(0), float(y.mean())
    centred, left = x - shift_x, (y - shift_y) - (x - shift_x) @ short.weights
    gram = centred @ centred.T
    scale = float(np.trace(gram)) / len(y)
    if scale <= 1e-12:
        return short
    best: tuple[float, Floats] | None = None
    for ridge in RIDGES:
        inverse = np.linalg.inv(gram + ridge * scale * np.eye(len(y)))
        hat = gram @ inverse + 1 / len(y)  # the mean that was taken out is fitted too
        error = float((((left - hat @ left) / np.maximum(1 - np.diag(hat), 1e-6)) ** 2).mean())
        if best is None or error < best[0]:
            best = (error, centred.T @ inverse @ left)
    assert best is not None
    weights = short.weights + best[1]
    return ShortBenchmark(short.rows, weights, shift_y - float(shift_x @ weights))


Method = Callable[[Floats, int, np.random.Generator, Array | None], ShortBenchmark]
METHODS: dict[str, Method] = {
    "calibrated": _calibrated,
    "anchors": _anchors,
    "clusters": _clusters,
    "random": _random,
}
NEED_VECTORS = frozenset({"clusters"})


def fidelity_table(found: Iterable[Fidelity]) -> str:
    """The measurement as a Markdown table."""
    lines = ["| items | method | error of the estimate | rank correlation | pairs swapped |", "|---|---|---|---|---|"]
    lines += [
        f"| {one.size} | {one.method} | {one.error:.4f} ± {one.error_sd:.4f} | {one.rank:.3f} ± {one.rank_sd:.3f} "
        f"| {100 * one.swaps:.1f} % |"
        for one in found
    ]
    return "\n".join(lines) + "\n"
