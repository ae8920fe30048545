"""Batches of rows: equal rows once, like lengths together, results back in the caller's order."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from answerspace.answers import Array, Mask
from answerspace.disk_arrays import let_go, pieces, room_for
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
    """Collects the vectors and answers of n rows from batches that come in any order.

    Many vectors are held on disk, in ``folder`` (None: where temporary files go).
    """

    def __init__(self, n: int, folder: Path | None = None) -> None:
        self._vectors: Array | None = None
        self._answers = [""] * n
        self._folder = folder

    def put(self, batch: Sequence[int], vectors: Array, answers: Sequence[str]) -> None:
        """Take the (B, d) vectors and B answers of the rows of a batch."""
        if not len(batch):
            return
        if self._vectors is None:
            self._vectors = room_for((len(self._answers), vectors.shape[1]), self._folder)
        self._vectors[batch] = vectors
        for i, answer in zip(batch, answers, strict=True):
            self._answers[i] = answer

    def result(self, inverse: np.ndarray, dimension: int, normalize: bool) -> tuple[Array, list[str]]:
        """Vectors and answers of the rows that ``inverse`` names; (0, dimension) when nothing was put in.

        A row whose place is negative has a zero vector and no answer.
        """
        made = self._vectors
        if made is None:
            return np.zeros((len(inverse), dimension), np.float32), [""] * len(inverse)
        if np.array_equal(inverse, np.arange(len(made))):  # all distinct: the rows are there as they are wanted
            if normalize:
                for piece in pieces(len(made)):
                    made[piece] = unit_rows(made[piece])
            let_go(made)
            return made, self._answers
        vectors = room_for((len(inverse), made.shape[1]), self._folder)
        for piece in pieces(len(inverse)):
            rows = inverse[piece]
            found = np.where(rows[:, None] < 0, np.float32(0), made[rows])
            vectors[piece] = unit_rows(found) if normalize else found
        let_go(vectors)
        return vectors, ["" if i < 0 else self._answers[i] for i in inverse]


def grouped_batches(
    texts: Sequence[str], lacking: Sequence[Mask], batch_size: int
) -> list[tuple[list[int], list[int]]]:
    """Batches of the texts that lack something, and what they lack.

    ``lacking`` has one (n,) mask per question. Texts that lack the same questions go together, so that nothing is
    asked twice; each pair is (row numbers, question numbers).
    """
    groups: dict[tuple[bool, ...], list[int]] = {}
    for row, wanted in enumerate(zip(*(mask.tolist() for mask in lacking), strict=True)):
        if any(wanted):
            groups.setdefault(wanted, []).append(row)
    found = []
    for wanted, rows in groups.items():
        questions = [place for place, one in enumerate(wanted) if one]
        for batch in batches_by_length([texts[row] for row in rows], batch_size):
            found.append(([rows[i] for i in batch], questions))
    return found
