"""Tables of any length, a piece at a time: what ``tables.read_table`` reads whole, for files that memory cannot hold.

Text formats are decoded and parsed as their lines come, Parquet by row groups. The rules are those of ``tables``:
cells of CSV and TSV stay text, a row that cannot be read is left out and named by its line. One thing differs: the
columns are those of the first piece, so a key that JSON Lines use later only is left out.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from answerspace.delimited_text import delimiter_of, distinct_names, records
from answerspace.errors import InputError
from answerspace.tables import (
    MARKS,
    SAMPLE_ROWS,
    SUFFIXES,
    Rows,
    Table,
    bad_lines,
    decoded,
    framed,
    read_table,
    sniffed_format,
)

PIECE_ROWS = 20_000
PIECE_CHARACTERS = 4_000_000  # a piece of long texts ends here
HEAD = 1 << 20  # bytes from which the format is told
STREAM_FROM = 64_000_000  # bytes of a file from which ``whole_table`` reads it in pieces


@dataclass
class TableStream:
    """A table to be read once, piece by piece; ``notes`` and ``rows`` are complete when the pieces are through."""

    name: str
    _made: Iterator[pl.DataFrame]
    notes: list[str] = field(default_factory=list)
    rows: int = 0

    def __iter__(self) -> Iterator[pl.DataFrame]:
        for frame in self._made:
            self.rows += frame.height
            yield frame
        if not self.rows:
            raise InputError(f"{self.name} has no rows: give a file with at least one text.")


def stream_table(
    source: str | Path, *, format: str | None = None, encoding: str | None = None, limit: int | None = None
) -> TableStream:
    """The table of a file or of standard input (``-``) in frames of up to PIECE_ROWS rows.

    Arguments and errors are those of ``tables.read_table``; what is wrong further down is raised when it is met.
    """
    name = "Standard input" if str(source) == "-" else Path(source).name
    given: dict[str, Any] = {"format": format, "encoding": encoding, "limit": limit}
    if str(source) != "-" and not Path(source).is_file():
        read_table(source, **given)  # raises the right sentence
    head = _head(source)
    chosen = format or SUFFIXES.get(Path(source).suffix.lower())
    if len(head) < HEAD:
        return _in_one(read_table(source, **given, data=head))
    if chosen == "parquet" or head.startswith(b"PAR1"):
        if str(source) != "-":
            return TableStream(name, _parquet(Path(source), name, limit))
        return _in_one(read_table(source, **given, data=head + sys.stdin.buffer.read()))
    sample = _sample(head, name, encoding)
    chosen = chosen or sniffed_format(sample.encode("utf-8", "surrogatepass"), name, "utf-8")
    if chosen not in _PARSERS or (chosen == "jsonl" and sample.lstrip().startswith("[")):
        # one array is one JSON value and has no pieces; a wrong name raises the right sentence
        whole = head + sys.stdin.buffer.read() if str(source) == "-" else None
        return _in_one(read_table(source, **given, data=whole))
    notes: list[str] = []
    lines = _lines(source, head, name, encoding, newline="\n" if chosen == "jsonl" else "")
    parsed = _PARSERS[chosen](lines, sample, notes)
    return TableStream(name, _frames(parsed, name, chosen, limit, notes), notes)


def _in_one(table: Table) -> TableStream:
    return TableStream(table.name, iter([table.frame]), table.notes)


def whole_table(
    source: str | Path, *, format: str | None = None, encoding: str | None = None, limit: int | None = None
) -> Table:
    """As ``tables.read_table``; a large file is parsed in pieces, so that only the frame itself is ever in memory."""
    path = Path(source)
    if str(source) == "-" or not path.is_file() or path.stat().st_size < STREAM_FROM:
        return read_table(source, format=format, encoding=encoding, limit=limit)
    stream = stream_table(source, format=format, encoding=encoding, limit=limit)
    frame = pl.concat(list(stream), how="diagonal_relaxed")
    return Table(frame, stream.name, stream.notes)


# --- pieces ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Record:
    """One row, or a line that holds none: then ``cells`` is None."""

    line: int
    cells: list[Any] | None


@dataclass
class _Parsed:
    """The columns, known once the first record was taken, and the records."""

    records: Iterator[_Record]
    header: list[str] = field(default_factory=list)


def _frames(parsed: _Parsed, name: str, format: str, limit: int | None, notes: list[str]) -> Iterator[pl.DataFrame]:
    bad: list[int] = []
    good = 0
    while limit is None or good < limit:
        rows: list[list[Any]] = []
        characters = 0
        most = PIECE_ROWS if limit is None else min(PIECE_ROWS, limit - good)
        for record in parsed.records:
            if record.cells is None:
                bad.append(record.line)
            else:
                rows.append(record.cells)
                characters += sum(len(cell) for cell in record.cells if isinstance(cell, str))
            if len(rows) == most or characters >= PIECE_CHARACTERS:
                break
        if not rows:
            break
        good += len(rows)
        frame, mixed = framed(Rows(parsed.header, rows, []))
        notes.extend(note for note in mixed if note not in notes)
        yield frame
    notes.extend(bad_lines(Rows(parsed.header, [[]] * good, bad), name, format))


def _delimited(delimiter: str | None, lines: Iterator[str], sample: str, notes: list[str]) -> _Parsed:
    chosen = delimiter or delimiter_of(list(io.StringIO(sample, newline=""))[:SAMPLE_ROWS])
    parsed = _Parsed(iter(()))

    def rows() -> Iterator[_Record]:
        width = 0
        for line, cells in records(lines, chosen):
            if cells is not None and not width:
                parsed.header, found = distinct_names(cells)
                notes.extend(found)
                width = len(cells)
            elif cells is not None and len(cells) == width:
                yield _Record(line, cells)
            else:
                yield _Record(line, None)

    parsed.records = rows()
    return parsed


def _plain(lines: Iterator[str], sample: str, notes: list[str]) -> _Parsed:
    return _Parsed((_Record(i, [line.rstrip("\r\n")]) for i, line in enumerate(lines, 1)), ["text"])


def _json_lines(lines: Iterator[str], sample: str, notes: list[str]) -> _Parsed:
    def values() -> Iterator[tuple[int, dict[str, Any] | None]]:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    value = json.loads(line)
                except ValueError:
                    value = None
                yield number, value if isinstance(value, dict) else None

    found = values()
    first = list(islice(found, PIECE_ROWS))
    header = list(dict.fromkeys(key for _, value in first if value is not None for key in value))

    def rows() -> Iterator[_Record]:
        for part in (first, found):
            for number, value in part:
                yield _Record(number, None if value is None else [value.get(key) for key in header])

    return _Parsed(rows(), header)


_Parser = Callable[[Iterator[str], str, list[str]], _Parsed]
_PARSERS: dict[str, _Parser] = {
    "csv": lambda lines, sample, notes: _delimited(None, lines, sample, notes),
    "tsv": lambda lines, sample, notes: _delimited("\t", lines, sample, notes),
    "jsonl": _json_lines,
    "lines": _plain,
}


def _parquet(path: Path, name: str, limit: int | None) -> Iterator[pl.DataFrame]:
    try:
        scan = pl.scan_parquet(path)
        rows = int(scan.select(pl.len()).collect().item())
        a_row = path.stat().st_size / max(rows, 1)  # compressed: a third of the characters or less is usual
        step = max(1, min(PIECE_ROWS, int(PIECE_CHARACTERS / 4 / max(a_row, 1))))
        rows = rows if limit is None else min(rows, limit)
        for at in range(0, rows, step):
            yield scan.slice(at, min(step, rows - at)).collect()
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{name} is not a readable Parquet file: {str(error).splitlines()[0]}.") from None


# --- bytes -------------------------------------------------------------------------------------------------------


class _Resumed(io.RawIOBase):
    """Standard input from its start, though its head was read already."""

    def __init__(self, head: bytes) -> None:
        self._head = io.BytesIO(head)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head.read(len(buffer)) or sys.stdin.buffer.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _lines(source: str | Path, head: bytes, name: str, encoding: str | None, *, newline: str) -> Iterator[str]:
    codec = encoding or next((codec for mark, codec in MARKS if head.startswith(mark)), "utf-8")
    raw = _Resumed(head) if str(source) == "-" else io.FileIO(source)
    count = 0
    with io.TextIOWrapper(io.BufferedReader(raw, HEAD), encoding=codec, newline=newline) as text:
        while True:
            try:
                line = text.readline()
            except UnicodeError:
                advice = "give its encoding, for example --encoding cp1252"
                advice = advice if encoding is None else "try another --encoding"
                raise InputError(f"{name} cannot be read as {codec} (behind line {count:,}): {advice}.") from None
            if not line:
                return
            if "\0" in line:
                raise InputError(f"{name} contains zero bytes, so it is not {codec} text: try --encoding utf-16.")
            count += 1
            yield line.removeprefix("\ufeff") if count == 1 else line


def _head(source: str | Path) -> bytes:
    """The first HEAD bytes."""
    if str(source) == "-":
        return sys.stdin.buffer.read(HEAD)
    with Path(source).open("rb") as file:
        return file.read(HEAD)


def _sample(head: bytes, name: str, encoding: str | None) -> str:
    """The head as text, without its last line, which may be cut."""
    codec = encoding or next((codec for mark, codec in MARKS if head.startswith(mark)), "utf-8")
    width = 4 if "32" in codec else 2 if "16" in codec else 1
    end = head.rfind(b"\n") + 1 if width == 1 else len(head) - len(head) % width
    try:
        text = decoded(head[: end or len(head)], name, encoding)
    except InputError:
        if width == 1 or not encoding:
            raise
        text = head.decode(codec, "ignore")
    return text[: text.rfind("\n") + 1] or text
