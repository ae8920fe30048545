"""Tables of texts: a file or standard input becomes a frame and notes about what was odd in it.

Cells of CSV and TSV stay text exactly as they stand (no number or date is guessed, so "007" survives). A row that
cannot be read is left out and named by its line; nothing is dropped in silence. Knows files, not models.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from answerspace.delimited_text import agreement, delimiter_of, distinct_names, records
from answerspace.errors import InputError

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "lines",
}
SAMPLE_ROWS = 50  # rows looked at to tell a delimiter, a format or a text column
LINES_NAMED = 5  # line numbers spelled out in a note
MISSING = {"", "nan", "null", "<na>", "#n/a"}  # cells without a text; "none" and "n/a" are answers people give
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
FOREIGN = ((b"PK\x03\x04", "a zip archive or Excel workbook"), (b"\x1f\x8b", "gzip-compressed"), (b"%PDF", "a PDF"))


@dataclass(frozen=True)
class Table:
    """A frame, where it came from, and one sentence per oddity met while reading it."""

    frame: pl.DataFrame
    name: str
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Rows:
    """Cells by row before they are typed; ``bad`` are the line numbers that could not be read."""

    header: list[str]
    rows: list[list[Any]]
    bad: list[int]
    notes: list[str] = field(default_factory=list)


# --- reading -----------------------------------------------------------------------------------------------------


def read_table(
    source: str | Path,
    *,
    format: str | None = None,
    encoding: str | None = None,
    limit: int | None = None,
    data: bytes | None = None,
) -> Table:
    """Read a CSV, TSV, JSON Lines, Parquet or plain-lines file; ``-`` is standard input.

    ``format`` is a key of FORMATS; None goes by the file's suffix, then by its content. ``encoding`` None means
    UTF-8, or what a byte-order mark says. ``limit`` keeps the first rows. Plain lines give one column, ``text``,
    in which row i is line i. ``data`` is the content where it was read already. Raises InputError when there is no
    row to work on.
    """
    name = "Standard input" if str(source) == "-" else Path(source).name
    if format is not None and format not in FORMATS:
        raise InputError(f"--format must be one of {', '.join(FORMATS)}. Got {format!r}.")
    if limit is not None and limit < 1:
        raise InputError(f"--limit must be at least 1. Got {limit}.")
    data = _bytes(source, name) if data is None else data
    if not data.strip():
        raise InputError(f"{name} is empty: give a file with at least one text.")
    chosen = format or SUFFIXES.get(Path(source).suffix.lower()) or sniffed_format(data, name, encoding)
    if chosen == "parquet":
        frame, notes = _parquet(data, name), []
    else:
        rows = FORMATS[chosen](decoded(data, name, encoding))
        notes = rows.notes + bad_lines(rows, name, chosen)
        if not rows.rows:
            why = notes[0] if rows.bad else f"{name} has a header but no rows."
            raise InputError(f"{why} There is nothing to read; check --format and --encoding.")
        frame, mixed = framed(rows)
        notes += mixed
    if frame.height == 0:
        raise InputError(f"{name} has no rows: give a file with at least one text.")
    return Table(frame if limit is None else frame.head(limit), name, notes)


def decoded(data: bytes, name: str, encoding: str | None = None) -> str:
    """The bytes as text: the encoding named, else what a byte-order mark says, else UTF-8; never a guess."""
    for start, what in FOREIGN:
        if data.startswith(start):
            raise InputError(f"{name} is {what}: save the texts as CSV, JSON Lines, Parquet or plain text first.")
    marked = next((codec for mark, codec in MARKS if data.startswith(mark)), "utf-8")
    codec = encoding or marked
    try:
        text = data.decode(codec)
    except LookupError:
        raise InputError(
            f"--encoding must be a known encoding such as utf-8, cp1252 or utf-16. Got {codec!r}."
        ) from None
    except UnicodeError as error:
        where = ""
        if isinstance(error, UnicodeDecodeError):
            where = f" (line {data.count(bytes([10]), 0, error.start) + 1})"
        advice = "give its encoding, for example --encoding cp1252" if encoding is None else "try another --encoding"
        raise InputError(f"{name} cannot be read as {codec}{where}: {advice}.") from None
    if "\0" in text:
        raise InputError(f"{name} contains zero bytes, so it is not {codec} text: try --encoding utf-16.")
    return text.removeprefix("\ufeff")


def _bytes(source: str | Path, name: str) -> bytes:
    if str(source) == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(source).read_bytes()
    except FileNotFoundError:
        raise InputError(f"There is no file {str(source)!r}: check the path, or give - for standard input.") from None
    except IsADirectoryError:
        raise InputError(f"{source} is a folder: give a file.") from None
    except OSError as error:
        raise InputError(f"{name} cannot be read ({error.strerror}).") from None


def sniffed_format(data: bytes, name: str, encoding: str | None) -> str:
    """The format that the first rows speak for; plain lines when nothing else does."""
    if data.startswith(b"PAR1"):
        return "parquet"
    text = decoded(data, name, encoding)
    lines = list(io.StringIO(text, newline=""))[:SAMPLE_ROWS]
    if _holds_objects(text, lines):
        return "jsonl"
    delimiter = delimiter_of(lines)
    header = next(csv.reader(lines[:1], delimiter=delimiter), [])
    looks_like_header = len(header) > 1 and all(0 < len(cell) <= 40 and cell[-1] not in ".!?" for cell in header)
    if not looks_like_header or len(set(header)) < len(header) or agreement(lines, delimiter)[0] < 0.9:
        return "lines"
    return "tsv" if delimiter == "\t" else "csv"


def _holds_objects(text: str, lines: list[str]) -> bool:
    start = text.lstrip()[:1]
    candidates = lines if start == "{" else [text] if start == "[" else []
    for candidate in candidates:
        try:
            if isinstance(json.loads(candidate), dict | list):
                return True
        except ValueError:
            continue
    return False


def _parquet(data: bytes, name: str) -> pl.DataFrame:
    try:
        return pl.read_parquet(io.BytesIO(data))
    except Exception as error:  # polars raises several kinds, none of them documented
        raise InputError(f"{name} is not a readable Parquet file: {str(error).splitlines()[0]}.") from None


def _lines(text: str) -> Rows:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")
    return Rows(["text"], [[line] for line in lines], [])


def _csv(text: str) -> Rows:
    return _delimited(text, None)


def _tsv(text: str) -> Rows:
    return _delimited(text, "\t")


def _delimited(text: str, delimiter: str | None) -> Rows:
    lines = list(io.StringIO(text, newline=""))
    chosen = delimiter or delimiter_of(lines[:SAMPLE_ROWS])
    bad: list[int] = []
    rows: list[list[Any]] = []
    header: list[str] | None = None
    for line, cells in records(lines, chosen):
        if cells is None:
            bad.append(line)
        elif header is None:
            header = cells
        elif len(cells) == len(header):
            rows.append(cells)
        else:
            bad.append(line)
    names, notes = distinct_names(header or [])
    return Rows(names, rows, bad, notes)


def _jsonl(text: str) -> Rows:
    """One JSON object per line, or one JSON array of objects."""
    bad, objects = [], []
    for line, value in json_values(text):
        if isinstance(value, dict):
            objects.append(value)
        else:
            bad.append(line)
    header = list(dict.fromkeys(key for one in objects for key in one))
    return Rows(header, [[one.get(key) for key in header] for one in objects], bad)


def json_values(text: str) -> Iterator[tuple[int, Any]]:
    """(line number, value) of each line, or place and value of each member of one array; None where it is no JSON."""
    if text.lstrip().startswith("["):
        try:
            yield from enumerate(json.loads(text), 1)
            return
        except ValueError:
            pass  # not one array: perhaps lines, some of them broken
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError:
                yield number, None


FORMATS: dict[str, Callable[[str], Rows]] = {
    "csv": _csv,
    "tsv": _tsv,
    "jsonl": _jsonl,
    "lines": _lines,
    "parquet": _lines,  # never called: Parquet is binary and read before decoding
}


def bad_lines(rows: Rows, name: str, format: str) -> list[str]:
    """A sentence that names the rows which could not be read."""
    if not rows.bad:
        return []
    count = len(rows.bad)
    shown = ", ".join(map(str, rows.bad[:LINES_NAMED])) + (", …" if count > LINES_NAMED else "")
    one = count == 1
    what = "a JSON object" if format == "jsonl" else f"a row of {len(rows.header)} cells"
    sentence = (
        f"{count:,} row{'' if one else 's'} of {name} {'was' if one else 'were'} skipped because "
        f"{'it is' if one else 'they are'} not {what} (line{'' if one else 's'} {shown})."
    )
    if count > len(rows.rows):
        sentence += " That is most of the file: if every line is one text, give --format lines."
    return [sentence]


def framed(rows: Rows) -> tuple[pl.DataFrame, list[str]]:
    """The rows as a frame, and a note for each column that mixes kinds of values and was turned into text."""
    notes = []
    columns = {}
    for place, name in enumerate(rows.header):
        cells = [None if _is_nan(row[place]) else row[place] for row in rows.rows]
        kinds = {type(cell) for cell in cells if cell is not None}
        if len(kinds) > 1 and not kinds <= {int, float}:
            strange = sum(cell is not None and not isinstance(cell, str) for cell in cells)
            notes.append(f"Column {name!r} mixes kinds of values: {_cells(strange)} turned into text.")
        plain = kinds <= {str} or kinds <= {bool} or (kinds <= {int, float} and not any(map(_is_huge, cells)))
        if not plain:
            cells = [None if cell is None else as_text(cell) for cell in cells]
        empty = pl.String if not kinds else None
        columns[name] = pl.Series(name, cells, dtype=empty, strict=False)
    return pl.DataFrame(columns), notes


# --- columns -----------------------------------------------------------------------------------------------------


def text_column(table: Table, name: str | None = None) -> str:
    """The column to read: the one named, or the only one that looks like text; else an InputError that lists them."""
    columns = table.frame.columns
    if name is not None:
        if name not in columns:
            raise InputError(f"{table.name} has no column {name!r}. Its columns are: {', '.join(columns)}.")
        return name
    if len(columns) == 1:
        return columns[0]
    written = [column for column in columns if _mean_words(table.frame[column]) > 0]
    wordy = [column for column in written if _mean_words(table.frame[column]) >= 4]
    for candidates in (written, wordy):
        if len(candidates) == 1:
            return candidates[0]
    raise InputError(f"Say which column holds the texts with --column. {table.name} has: {', '.join(columns)}.")


def column_texts(frame: pl.DataFrame, column: str) -> tuple[list[str], list[str]]:
    """The n texts of a column, "" where a cell holds none, and notes about empty cells and cells that were no text.

    Null, NaN, blank cells and the words NaN, null, <NA> and #N/A hold no text. Numbers, dates and truth values are
    turned into the text they print as, lists and records into JSON.
    """
    texts, empty, strange = column_cells(frame, column)
    return texts, cell_notes(column, empty, strange)


def column_cells(frame: pl.DataFrame, column: str) -> tuple[list[str], int, int]:
    """The texts as in ``column_texts``, how many cells hold none, and how many held something else than text."""
    cells = frame[column].to_list()
    texts = ["" if _is_missing(cell) else as_text(cell) for cell in cells]
    empty = sum(not text for text in texts)
    strange = sum(bool(text) and not isinstance(cell, str) for text, cell in zip(texts, cells, strict=True))
    return texts, empty, strange


def cell_notes(column: str, empty: int, strange: int) -> list[str]:
    """A sentence for each kind of oddity."""
    notes = []
    if empty:
        notes.append(f"{_cells(empty)} of column {column!r} without a text: kept in the output, not embedded.")
    if strange:
        notes.append(f"{_cells(strange)} of column {column!r} held numbers or other values: turned into text.")
    return notes


def as_text(cell: Any) -> str:
    """How a cell reads as text: strings unchanged, lists and records as JSON, anything else as it prints."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool | list | dict):
        return json.dumps(cell, ensure_ascii=False, default=str)
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _cells(count: int) -> str:
    return f"{count:,} cell{'' if count == 1 else 's'}"


def _is_nan(cell: Any) -> bool:
    return isinstance(cell, float) and math.isnan(cell)


def _is_huge(cell: Any) -> bool:
    return isinstance(cell, int) and not -(2**63) <= cell < 2**63


def _is_missing(cell: Any) -> bool:
    return cell is None or _is_nan(cell) or (isinstance(cell, str) and cell.strip().lower() in MISSING)


def _mean_words(series: pl.Series) -> float:
    """Mean words per cell among the first cells; 0 for a column that holds no letters, such as numbers and dates."""
    if not isinstance(series.dtype, pl.String | pl.Categorical | pl.Enum):
        return 0.0
    cells = [cell for cell in series.head(4 * SAMPLE_ROWS).to_list() if not _is_missing(cell)]
    if not cells or sum(any(c.isalpha() for c in cell) for cell in cells) < len(cells) / 2:
        return 0.0
    return sum(len(cell.split()) for cell in cells) / len(cells)


# --- writing -----------------------------------------------------------------------------------------------------


def write_csv(frame: pl.DataFrame, path: Path) -> None:
    """Write UTF-8 CSV; lists and records, which CSV cannot hold, become JSON."""
    flat = frame.with_columns(
        pl.Series(name, [None if cell is None else as_text(cell) for cell in frame[name].to_list()], dtype=pl.String)
        for name, dtype in frame.schema.items()
        if dtype.is_nested() or dtype in (pl.Binary, pl.Object)
    )
    flat.write_csv(path)


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write Parquet with every column as it is."""
    frame.write_parquet(path)
