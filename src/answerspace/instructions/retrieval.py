"""Retrieval of demonstrations: for a new instruction the instructions of a pool that ask for the most similar task.

Knows vectors and labels, no texts and no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.neighbors import NearestNeighbors

from answerspace.answers import Array
from answerspace.errors import InputError
from answerspace.similarity import unit_rows


class Found(NamedTuple):
    """Of each query the places in the pool, nearest first (q, k), and their cosines (q, k)."""

    rows: npt.NDArray[np.intp]
    cosines: Array


def retrieve(queries: Array, pool: Array, k: int) -> Found:
    """The k rows of an (m, d) pool with the highest cosine to each of (q, d) queries; all m where k is larger."""
    if k < 1:
        raise InputError(f"--top must be at least 1. Got {k}.")
    index = NearestNeighbors(n_neighbors=min(k, len(pool)), algorithm="brute").fit(unit_rows(pool))
    distances, rows = index.kneighbors(unit_rows(queries))
    return Found(rows, np.asarray(1 - distances**2 / 2, np.float32))


def neighbours(pool: Array, k: int) -> Found:
    """As ``retrieve`` for each row of the pool among the others."""
    distances, rows = (
        NearestNeighbors(n_neighbors=min(k, len(pool) - 1), algorithm="brute").fit(unit_rows(pool)).kneighbors()
    )
    return Found(rows, np.asarray(1 - distances**2 / 2, np.float32))


def precision_at(vectors: Array, labels: Sequence[Hashable], ks: Sequence[int] = (1, 4, 10)) -> dict[int, float]:
    """For each k the mean share of the k nearest other rows that carry the row's own label.

    Over the rows whose label at least max(ks) other rows carry, so that 1 can be reached. The texts should be
    distinct. Raises InputError when no label is that frequent.
    """
    numbers = np.unique(np.asarray([str(label) for label in labels]), return_inverse=True)[1]
    if len(numbers) != len(vectors):
        raise InputError(f"There must be one label a row. Got {len(numbers):,} labels for {len(vectors):,} rows.")
    counts = Counter(numbers.tolist())
    asked = np.array([counts[number] > max(ks) for number in numbers.tolist()])
    if not asked.any():
        raise InputError(
            f"Some label must have more than {max(ks)} rows. The most frequent has {max(counts.values())}."
        )
    same = numbers[neighbours(vectors, max(ks)).rows] == numbers[:, None]
    return {k: float(same[asked, :k].mean()) for k in ks}
