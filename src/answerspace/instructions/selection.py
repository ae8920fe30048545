"""Selection of n instructions from a pool: different from each other, and speaking for the whole pool.

Knows vectors and labels, no texts and no model. "clusters" is the published way (PIE, arXiv 2409.19680: k-means with
n clusters, the instruction nearest each centroid); "facility-location" picks, one by one, what most improves the mean
cosine of the pool's instructions with their nearest pick.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.neighbors import NearestNeighbors

from answerspace.answers import Array
from answerspace.errors import InputError
from answerspace.progress import track
from answerspace.similarity import unit_rows

T = TypeVar("T")
GROUND = 10_000  # rows that facility location looks after; of a larger pool a sample
MISSED = 0.05  # chance that a pick is drawn from candidates without one of the remaining best
MOST_CANDIDATES = 2_048
MINI_BATCH_FROM = 20_000


@dataclass(frozen=True)
class Coverage:
    """What a selection holds of the pool's task labels.

    ``labels`` is the share of the labels that it could hold at most (the pool's, or as many as it has rows), ``pool``
    the share of the pool's rows whose label it holds, ``nearness`` the mean cosine of the pool's rows with their
    nearest row in it.
    """

    labels: float
    pool: float
    nearness: float


def select(
    vectors: Array,
    n: int,
    *,
    method: str = "facility-location",
    labels: Sequence[Hashable] | None = None,
    seed: int = 0,
    show_progress: bool = False,
) -> list[int]:
    """The row numbers of n of m instructions, given as (m, d) vectors; the first ones picked are the most telling.

    ``method`` is a key of METHODS; "tasks" needs the ``labels`` of the rows. Raises InputError for a method that
    does not exist and for n outside 1..m.
    """
    check_selection(len(vectors), n, method)
    if labels is not None and len(labels) != len(vectors):
        raise InputError(f"There must be one label a row. Got {len(labels):,} labels for {len(vectors):,} rows.")
    rows = unit_rows(np.asarray(vectors, np.float32))
    if method == "tasks":
        if labels is None:
            raise InputError("The method 'tasks' needs the rows' task labels. Got none.")
        return _by_task(rows, n, labels)
    return METHODS[method](rows, n, np.random.default_rng(seed), show_progress)


def check_selection(m: int, n: int, method: str) -> None:
    """Raise InputError unless n of m rows can be chosen by a method of METHODS."""
    if method not in METHODS:
        raise InputError(f"--method must be one of {', '.join(METHODS)}. Got {method!r}.")
    if not 1 <= n <= m:
        raise InputError(f"--count must be between 1 and the pool's {m:,} distinct instructions. Got {n:,}.")


def coverage(vectors: Array, labels: Sequence[Hashable], rows: Sequence[int]) -> Coverage:
    """How well the ``rows`` stand for all: (m, d) vectors, m labels."""
    counts = Counter(labels)
    held = {labels[row] for row in rows}
    every = unit_rows(np.asarray(vectors, np.float32))
    nearest = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(every[list(rows)])
    distances, _ = nearest.kneighbors(every)
    return Coverage(
        len(held) / min(len(counts), len(rows)),
        sum(counts[label] for label in held) / len(labels),
        float(1 - (distances**2).mean() / 2),
    )


def coverage_sentence(found: Coverage) -> str:
    """The coverage in words."""
    return (
        f"They hold {100 * found.labels:.1f} % of the tasks they could hold, tasks of {100 * found.pool:.1f} % of the "
        f"pool; the mean cosine of the pool with the nearest choice is {found.nearness:.3f}."
    )


@dataclass(frozen=True)
class Compared:
    """The coverage of a method's selections of n rows, one per seed."""

    method: str
    n: int
    found: list[Coverage]

    def numbers(self, name: str) -> tuple[float, float]:
        """Mean and standard deviation over seeds of a field of Coverage."""
        values = np.array([getattr(one, name) for one in self.found])
        return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0


def compare_methods(
    vectors: Array,
    labels: Sequence[Hashable],
    sizes: Sequence[int],
    *,
    guide: Sequence[Hashable] | None = None,
    seeds: int = 10,
    show_progress: bool = False,
) -> list[Compared]:
    """Coverage of the ``labels`` by every method, size and seed. "tasks" goes by ``guide`` and is left out without."""
    jobs = [(n, name) for n in sizes for name in METHODS if name != "tasks" or guide is not None]
    made = []
    for n, name in _steps(jobs, "comparing", show_progress):
        runs = 1 if name == "tasks" else seeds  # it draws nothing at random
        rows = [select(vectors, n, method=name, labels=guide, seed=seed) for seed in range(runs)]
        made.append(Compared(name, n, [coverage(vectors, labels, one) for one in rows]))
    return made


def comparison_table(found: Sequence[Compared]) -> str:
    """The comparison as a Markdown table, mean ± standard deviation over seeds."""
    lines = ["| chosen | method | labels covered | pool covered | nearness |", "|---|---|---|---|---|"]
    for one in found:
        (labels, labels_sd), (pool, pool_sd), (near, near_sd) = (one.numbers(n) for n in ("labels", "pool", "nearness"))
        lines.append(
            f"| {one.n:,} | {one.method} | {100 * labels:.1f} ± {100 * labels_sd:.1f} % "
            f"| {100 * pool:.1f} ± {100 * pool_sd:.1f} % | {near:.3f} ± {near_sd:.3f} |"
        )
    return "\n".join(lines) + "\n"


# --- methods: (unit rows (m, d), n, generator, show_progress) -> row numbers -------------------------------------


def _random(rows: Array, n: int, rng: np.random.Generator, show_progress: bool) -> list[int]:
    return [int(row) for row in rng.choice(len(rows), n, replace=False)]


def _facility_location(rows: Array, n: int, rng: np.random.Generator, show_progress: bool) -> list[int]:
    """Greedy, each step on a random draw of candidates (Mirzasoleiman et al. 2015): the time does not grow with n."""
    m = len(rows)
    ground = rows if m <= GROUND else rows[rng.choice(m, GROUND, replace=False)]
    draw = min(MOST_CANDIDATES, math.ceil(m / n * math.log(1 / MISSED)))
    left = np.ones(m, bool)
    nearest = np.zeros(len(ground), np.float32)
    picked = []
    for _ in _steps(range(n), "picking", show_progress):
        candidates = rng.choice(np.flatnonzero(left), min(draw, int(left.sum())), replace=False)
        cosines = rows[candidates] @ ground.T
        best = int(np.maximum(cosines, nearest).sum(1).argmax())
        nearest = np.maximum(nearest, cosines[best])
        picked.append(int(candidates[best]))
        left[picked[-1]] = False
    return picked


def _k_center(rows: Array, n: int, rng: np.random.Generator, show_progress: bool) -> list[int]:
    """Farthest first: each pick is the row whose nearest pick is farthest."""
    picked = [int(rng.integers(len(rows)))]
    nearest = rows @ rows[picked[0]]
    for _ in _steps(range(n - 1), "picking", show_progress):
        nearest[picked[-1]] = np.inf
        picked.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, rows @ rows[picked[-1]])
    return picked


def _clusters(rows: Array, n: int, rng: np.random.Generator, show_progress: bool) -> list[int]:
    """K-means; of each cluster the row nearest its centroid, the largest cluster first."""
    seed = int(rng.integers(2**31))
    k = min(n, len({row.tobytes() for row in rows}))
    if len(rows) >= MINI_BATCH_FROM:
        model = MiniBatchKMeans(k, random_state=seed, n_init=1, batch_size=4096)
    else:
        model = KMeans(k, random_state=seed, n_init=1)
    assigned = model.fit_predict(rows)
    distances = np.linalg.norm(rows - model.cluster_centers_[assigned], axis=1)
    picked = []
    for cluster, _ in Counter(assigned.tolist()).most_common():
        members = np.flatnonzero(assigned == cluster)
        picked.append(int(members[distances[members].argmin()]))
    if len(picked) < n:  # fewer distinct vectors than clusters
        others = np.setdiff1d(np.arange(len(rows)), picked)
        picked += [int(row) for row in rng.choice(others, n - len(picked), replace=False)]
    return picked


def _by_task(rows: Array, n: int, labels: Sequence[Hashable]) -> list[int]:
    """In turn one row of each label, the most frequent first; of a label its most central row, then farthest first."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for row, label in enumerate(labels):
        groups[label].append(row)
    order = sorted(groups.values(), key=lambda members: (-len(members), members[0]))
    turns = max(1, math.ceil(n / len(order)))
    while sum(min(turns, len(members)) for members in order) < n:
        turns *= 2
    ranked = [_central_first(rows[members], members, turns) for members in order]
    picked = [ranks[turn] for turn in range(turns) for ranks in ranked if turn < len(ranks)]
    return picked[:n]


def _central_first(vectors: Array, members: Sequence[int], n: int) -> list[int]:
    picked = [int((vectors @ vectors.mean(0)).argmax())]
    nearest = vectors @ vectors[picked[0]]
    while len(picked) < min(n, len(members)):
        nearest[picked[-1]] = np.inf
        picked.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, vectors @ vectors[picked[-1]])
    return [members[i] for i in picked]


def _steps(steps: Sequence[T], what: str, show_progress: bool) -> Iterable[T]:
    return track(steps, what) if show_progress else steps


Method = Callable[[Array, int, np.random.Generator, bool], list[int]]
METHODS: dict[str, Method] = {
    "facility-location": _facility_location,
    "clusters": _clusters,
    "k-center": _k_center,
    "random": _random,
    "tasks": _random,  # never called: it works on labels
}
