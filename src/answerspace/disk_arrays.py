"""Arrays of vectors that may be larger than memory should hold, and passes over them in pieces.

Below IN_MEMORY bytes an array is an ordinary one. Above, it is mapped from a file without a name, which vanishes with
it whatever happens to the process; ``let_go`` hands its pages back between passes.
"""

from __future__ import annotations

import hashlib
import mmap
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from answerspace.answers import Array

IN_MEMORY = 200_000_000  # bytes: 130,000 vectors of 384 numbers
PIECE = 16_384  # rows looked at in one go


def room_for(shape: tuple[int, int], folder: Path | None = None) -> Array:
    """Zeros of a shape, float32. A large one lies in a file of ``folder`` (None: where temporary files go)."""
    if 4 * shape[0] * shape[1] <= IN_MEMORY:
        return np.zeros(shape, np.float32)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.truncate(4 * shape[0] * shape[1])
        return np.memmap(file, np.float32, "r+", shape=shape)


def pieces(rows: int) -> Iterator[slice]:
    """Slices that cover ``rows`` rows, PIECE at a time."""
    for at in range(0, rows, PIECE):
        yield slice(at, min(at + PIECE, rows))


def distinct_rows(rows: Array) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Where each distinct row of (n, d) occurs first, in order, and for each row its place among them.

    Compares 16-byte hashes: a million rows are told apart in 100 MB. (np.unique over rows sorts them, which is slow.)
    """
    places: dict[bytes, int] = {}
    first: list[int] = []
    inverse = np.empty(len(rows), np.intp)
    for piece in pieces(len(rows)):
        for i, row in enumerate(np.ascontiguousarray(rows[piece]), piece.start):
            key = hashlib.blake2b(row.tobytes(), digest_size=16).digest()
            inverse[i] = place = places.setdefault(key, len(places))
            if place == len(first):
                first.append(i)
    return np.array(first, np.intp), inverse


def let_go(array: Array) -> None:
    """Take the pages of a mapped array out of memory; its content stays on the disk. Nothing for other arrays."""
    mapped = getattr(array, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)
