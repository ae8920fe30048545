"""Delimited text: the records of CSV and TSV where quoting may be broken, their delimiter, their column names."""

from __future__ import annotations

import csv
import sys
from collections import deque
from collections.abc import Iterable, Iterator

DELIMITERS = ",;\t|"


def records(lines: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str] | None]]:
    """(line number, cells) of each record; None where the quoting is broken.

    A broken record gives up its first line only and reading goes on at the next, so a quotation mark that is never
    closed costs one row, not the rest of the file. Lines are taken as they are needed, and held for one record.
    """
    before = csv.field_size_limit(sys.maxsize)  # a cell may hold a whole book
    try:
        held, restarts = _HeldLines(lines), 0
        while True:
            reader = csv.reader(held, delimiter=delimiter, strict=True)
            try:
                while True:
                    first = held.begin()
                    cells = next(reader)
                    if cells:  # a blank line is no record
                        yield first + 1, cells
            except StopIteration:
                return
            except csv.Error:
                yield first + 1, None
            restarts += 1
            if restarts < 1000:  # bounds the re-reading
                held.give_back()
    finally:
        csv.field_size_limit(before)


class _HeldLines:
    """An iterator of lines that remembers those of the record at hand and can give all but the first back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self._count = 0

    def __iter__(self) -> _HeldLines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self._taken.append(line)
        self._count += 1
        return line

    def begin(self) -> int:
        """A record begins; returns how many lines stand before it."""
        self._taken = []
        return self._count

    def give_back(self) -> None:
        """Go back to the line behind the record's first."""
        self._again.extendleft(reversed(self._taken[1:]))
        self._count -= len(self._taken) - 1
        self._taken = []


def delimiter_of(lines: list[str]) -> str:
    """The delimiter under which the rows agree with the header; a comma when none splits the header."""
    return max(DELIMITERS, key=lambda delimiter: agreement(lines, delimiter))


def agreement(lines: list[str], delimiter: str) -> tuple[float, int]:
    """(share of sampled rows with as many cells as the header, cells in the header); (0, 0) for one column."""
    widths = [len(cells) for _, cells in records(lines, delimiter) if cells]
    if not widths or widths[0] < 2:
        return 0.0, 0
    return sum(width == widths[0] for width in widths) / len(widths), widths[0]


def distinct_names(header: list[str]) -> tuple[list[str], list[str]]:
    """The header with every name once, and a note for each that had to change."""
    names: list[str] = []
    notes = []
    for place, cell in enumerate(header, 1):
        name = wanted = cell.strip() or f"column_{place}"
        repeat = 2
        while name in names:
            name, repeat = f"{wanted}_{repeat}", repeat + 1
        if name != wanted:
            notes.append(f"Column {wanted!r} occurs more than once; the one at place {place} is called {name!r}.")
        names.append(name)
    return names, notes
