"""The texts of a source: a file, whole or piece by piece, or a reading on disk. Knows tables and readings, no model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from answerspace.errors import InputError
from answerspace.reading_file.index import is_reading
from answerspace.reading_file.reader import ReadingFile
from answerspace.table_stream import stream_table, whole_table
from answerspace.tables import Table, cell_notes, column_cells, column_texts, text_column


@dataclass(frozen=True)
class Source:
    """Where the texts come from; the fields are those of ``tables.read_table`` and two columns."""

    file: str
    column: str | None = None
    labels: str | None = None
    format: str | None = None
    encoding: str | None = None
    limit: int | None = None

    @property
    def reading(self) -> Path | None:
        """The path, if it is that of a reading on disk. InputError for an option that only a table has."""
        if not is_reading(self.file):
            return None
        given = [name for name, value in asdict(self).items() if name != "file" and value is not None]
        if given:
            raise InputError(f"A reading is asked as it is. Got --{given[0]}; give it to answerspace read instead.")
        return Path(self.file)


@dataclass(frozen=True)
class FileTexts:
    """What is read from a source: the texts that are there, their row numbers, and the whole frame."""

    texts: list[str]
    rows: list[int]
    frame: pl.DataFrame
    name: str
    notes: list[str]
    gold: list[str] | None = None


def read_texts(source: Source) -> FileTexts:
    """Read a source's texts and, when asked for, their gold labels. InputError when no cell holds a text."""
    if source.reading is not None:
        return _texts_of_reading(source.reading)
    table = whole_table(source.file, format=source.format, encoding=source.encoding, limit=source.limit)
    column = text_column(table, source.column)
    cells, notes = column_texts(table.frame, column)
    rows = [row for row, text in enumerate(cells) if text]
    if not rows:
        raise no_text(table.name, column, len(cells), table.frame.columns)
    gold = None
    if source.labels is not None:
        labels, _ = column_texts(table.frame, text_column(table, source.labels))
        gold = [labels[row] for row in rows]
        if not any(gold):
            raise InputError(f"Column {source.labels!r} of {table.name} must hold a label. Got only empty cells.")
    return FileTexts([cells[row] for row in rows], rows, table.frame, table.name, table.notes + notes, gold)


def no_text(name: str, column: str, count: int, columns: Sequence[str]) -> InputError:
    """What is said of a column without a single text."""
    return InputError(
        f"Column {column!r} of {name} must hold at least one text. Got {count:,} empty cells; "
        f"choose another --column of: {', '.join(columns)}."
    )


class TextPiece(NamedTuple):
    """Some rows of a source: the frame and their texts, "" where a row holds none."""

    frame: pl.DataFrame
    texts: list[str]


class TextStream:
    """A source's texts piece by piece; iterate once. ``notes`` are complete when the pieces are through.

    The first piece is read at once, so that a wrong column or an empty file shows before a model is loaded.
    """

    def __init__(self, source: Source) -> None:
        self._table = stream_table(source.file, format=source.format, encoding=source.encoding, limit=source.limit)
        self.name = self._table.name
        pieces = iter(self._table)
        first = next(pieces)
        self.column = text_column(Table(first, self.name), source.column)
        self._columns = first.columns
        self._empty = self._strange = 0
        self._made = self._pieces(chain([first], pieces))
        self._first = next(self._made)
        if not any(self._first.texts) and self._exhausted():
            raise no_text(self.name, self.column, len(self._first.texts), self._columns)

    @property
    def notes(self) -> list[str]:
        """One sentence per oddity met so far."""
        return self._table.notes + cell_notes(self.column, self._empty, self._strange)

    def __iter__(self) -> Iterator[TextPiece]:
        yield self._first
        yield from self._made
        if self._empty == self._table.rows:
            raise no_text(self.name, self.column, self._empty, self._columns)

    def _pieces(self, frames: Iterator[pl.DataFrame]) -> Iterator[TextPiece]:
        for frame in frames:
            texts, empty, strange = column_cells(frame, self.column)
            self._empty += empty
            self._strange += strange
            yield TextPiece(frame, texts)

    def _exhausted(self) -> bool:
        following = next(self._made, None)
        if following is not None:
            self._made = chain([following], self._made)
        return following is None


def _texts_of_reading(path: Path) -> FileTexts:
    """A reading's rows as a frame: the texts, and the source of each where there are several."""
    file = ReadingFile(path)
    distinct = list(file.distinct)
    rows = np.flatnonzero(file.inverse >= 0).tolist()
    if not rows:
        raise InputError(f"A reading must hold at least one text. {path} has none: read a file into it first.")
    frame = pl.DataFrame({"text": [None if i < 0 else distinct[i] for i in file.inverse.tolist()]})
    if len(file.sources) > 1:
        sources = chain.from_iterable([source.name] * (source.rows or 0) for source in file.sources)
        frame = frame.with_columns(pl.Series("source", list(sources)))
    return FileTexts([distinct[file.inverse[row]] for row in rows], rows, frame, ", ".join(file.names), [])
