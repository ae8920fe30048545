"""Correlation of instruction sets: how far the tasks of one are found in another. Knows vectors only.

The published code (PIE, arXiv 2409.19680) divides vectors by the sum of their numbers, which may be near zero or
negative; here they have unit length. Sets of different sizes are made comparable by samples of one size, and the
diagonal compares two samples of the same set, so that it shows the most that can be expected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans

from answerspace.answers import Array
from answerspace.errors import InputError
from answerspace.instructions.retrieval import retrieve
from answerspace.similarity import unit_rows

MOST = 2_000  # rows of a set in one sample
FEWEST = 10
PER_GROUP = 5  # rows of each set that a shared group of tasks has on average


@dataclass(frozen=True)
class Correlation:
    """(s, s) matrices over s sets, each a mean over draws.

    ``reach``[a, b]: the mean over a's instructions of the cosine with the nearest one of b (directed: how much of a is
    found in b). ``overlap``: the share of instructions that a and b have in common when all are grouped together, the
    sum over the groups of the smaller share (symmetric, 0 to 1). ``distance``: the mean over dimensions of the
    one-dimensional Wasserstein distance (symmetric, in units of a vector's length).
    """

    names: list[str]
    rows: list[int]  # rows of each set
    sample: int  # rows of each in one draw
    draws: int
    reach: Array
    overlap: Array
    distance: Array
    spread: float  # the largest standard deviation over draws of any reach or overlap


def correlate(
    sets: Mapping[str, Array], *, draws: int = 5, most: int = MOST, groups: int | None = None, seed: int = 0
) -> Correlation:
    """Compare (n_i, d) vectors of two or more sets by name.

    Each draw takes two disjoint samples of every set, as large as the smallest set allows but at most ``most``;
    ``groups`` is the number of k-means groups for the overlap (None: a fifth of a sample, at least 2). Raises
    InputError for one set, or for a set of fewer than 20 rows.
    """
    check_sets({name: len(vectors) for name, vectors in sets.items()})
    spaces = {name: unit_rows(np.asarray(vectors, np.float32)) for name, vectors in sets.items()}
    size = min(most, min(map(len, spaces.values())) // 2)
    rng = np.random.default_rng(seed)
    found = [_draw(list(spaces.values()), size, groups or max(2, size // PER_GROUP), rng) for _ in range(draws)]
    reach, overlap, distance = (np.stack(matrices) for matrices in zip(*found, strict=True))
    spread = max(float(reach.std(0).max()), float(overlap.std(0).max()))
    rows = [len(space) for space in spaces.values()]
    return Correlation(list(spaces), rows, size, draws, reach.mean(0), overlap.mean(0), distance.mean(0), spread)


def check_sets(rows: Mapping[str, int]) -> None:
    """Raise InputError unless there are two sets or more, of at least 20 distinct instructions each."""
    if len(rows) < 2:
        raise InputError(f"There must be at least two instruction sets to compare. Got {len(rows)}.")
    smallest = min(rows, key=lambda name: rows[name])
    if rows[smallest] < 2 * FEWEST:
        raise InputError(
            f"Each set must have at least {2 * FEWEST} distinct instructions. Got {rows[smallest]} in {smallest}."
        )


def _draw(spaces: list[Array], size: int, groups: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    drawn = [space[rng.permutation(len(space))[: 2 * size]] for space in spaces]
    first, second = [rows[:size] for rows in drawn], [rows[size:] for rows in drawn]
    reach = np.array([[retrieve(a, b, 1).cosines.mean() for b in second] for a in first])
    every = np.concatenate(first + second)
    model = KMeans(min(groups, len({row.tobytes() for row in every})), n_init=1, random_state=int(rng.integers(2**31)))
    together = model.fit_predict(every)
    shares = np.array([np.bincount(part, minlength=groups) / size for part in together.reshape(2 * len(spaces), size)])
    p, q = shares[: len(spaces)], shares[len(spaces) :]
    one_way = np.minimum(p[:, None], q[None]).sum(-1)
    overlap = (one_way + one_way.T) / 2
    a, b = (np.stack([np.sort(rows, axis=0) for rows in part]) for part in (first, second))
    apart = np.array([[np.abs(x - y).mean() for y in b] for x in a])
    return reach, overlap, (apart + apart.T) / 2
