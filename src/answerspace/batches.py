"""Batches of rows: equal rows once, like lengths together, results back in the caller's order."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

import numpy as np

from answerspace.answers import Array
from answerspace.errors import InputError
from answerspace.similarity import unit_rows

Row = TypeVar("Row", bound=Hashable)


def distinct(rows: Sequence[Row]) -> tuple[list[Row], np.ndarray]:
    """The distinct rows in order of first occurrence, and for each row its place among them."""
    places: dict[Row, int] = {}
    inverse = np.array([places.setdefault(row, len(places)) for row in rows], np.intp)
    return list(places), inverse


def batches_by_length(texts: Sequence[str], batch_size: int) -> list[list[int]]:
    """Row numbers in batches of texts of like length, longest first (memory trouble shows at once)."""
    if batch_size < 1:
        raise InputError(f"batch_size must be at least 1. Got {batch_size}.")
    order = sorted(range(len(texts)), key=lambda i: (-len(texts[i]), i))
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


class Gather:
    """Collects the vectors and answers of n rows from batches that come in any order."""

    def __init__(self, n: int) -> None:
        self._vectors: Array | None = None
        self._answers = [""] * n

    def put(self, batch: list[int], vectors: Array, answers: list[str]) -> None:
        """Take the (B, d) vectors and B answers of the rows of a batch."""
        if self._vectors is None:
            self._vectors = np.zeros((len(self._answers), vectors.shape[1]), np.float32)
        self._vectors[batch] = vectors
        for i, answer in zip(batch, answers, strict=True):
            self._answers[i] = answer

    def result(self, inverse: np.ndarray, dimension: int, normalize: bool) -> tuple[Array, list[str]]:
        """Vectors and answers of the rows that ``inverse`` names; (0, dimension) when nothing was put in."""
        vectors = np.zeros((0, dimension), np.float32) if self._vectors is None else self._vectors[inverse]
        return unit_rows(vectors) if normalize else vectors, [self._answers[i] for i in inverse]
