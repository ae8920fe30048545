"""Files of instructions: Alpaca-style JSON, JSON Lines, Parquet, chat messages, CSV or plain lines.

A row that holds no instruction is reported with its number and the reason, and reading goes on. Knows files, not
models.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from answerspace.errors import InputError
from answerspace.tables import decoded, read_table

FIELDS = ("instruction", "prompt", "question", "query", "task", "text")  # looked for in this order
CHATS = ("messages", "conversations", "conversation")
SPEAKERS = frozenset({"user", "human", "prompter"})
LONGEST = 20_000  # characters of an instruction that are kept
REASONS_NAMED = 5


@dataclass(frozen=True)
class Instruction:
    """One usable row: ``row`` is its number from 1 (the line, for JSON Lines), ``record`` the row as it stands."""

    row: int
    text: str
    input: str = ""
    output: str = ""
    record: Any = None


@dataclass(frozen=True)
class BadRow:
    """A row that was left out, and why."""

    row: int
    reason: str


@dataclass(frozen=True)
class InstructionSet:
    """What a file holds: the usable rows in order, and the others with their reasons."""

    name: str
    rows: list[Instruction]
    bad: list[BadRow] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """The instructions."""
        return [row.text for row in self.rows]

    def notes(self) -> list[str]:
        """One sentence per reason for which rows were left out."""
        said = []
        for reason, count in Counter(bad.reason for bad in self.bad).most_common():
            rows = [bad.row for bad in self.bad if bad.reason == reason]
            shown = ", ".join(map(str, rows[:REASONS_NAMED])) + (", …" if count > REASONS_NAMED else "")
            one = count == 1
            was = "row was" if one else "rows were"
            said.append(f"{count:,} {was} left out of {self.name}: {reason} (row{'' if one else 's'} {shown}).")
        return said


def read_instructions(source: str | Path, *, field: str | None = None, limit: int | None = None) -> InstructionSet:
    """Read the instructions of a file.

    JSON may be a list of objects (Alpaca), of strings or of chats; JSON Lines and Parquet one of these a row; CSV and
    TSV need a column that ``field`` names or one of FIELDS; in any other file each line is an instruction. Of a chat
    the first message of the user counts. ``field`` names the key that holds the instruction; ``limit`` keeps the
    first rows. Raises InputError when the file cannot be read or holds no instruction at all.
    """
    path = Path(source)
    if limit is not None and limit < 1:
        raise InputError(f"--limit must be at least 1. Got {limit}.")
    read = _READERS.get(path.suffix.lower(), _plain)
    rows: list[Instruction] = []
    bad: list[BadRow] = []
    for number, record in read(path):
        if limit is not None and len(rows) == limit:
            break
        if isinstance(record, BadRow):
            bad.append(record)
            continue
        try:
            rows.append(_instruction(number, record, field))
        except _Unusable as error:
            bad.append(BadRow(number, str(error)))
    made = InstructionSet(path.name, rows, bad)
    if not rows:
        why = made.notes()[0] if bad else f"{path.name} is empty."
        raise InputError(f"{path.name} must hold at least one instruction. {why}")
    return made


class _Unusable(Exception):
    """Why a row holds no instruction."""


def _instruction(number: int, record: Any, field: str | None) -> Instruction:
    if isinstance(record, str):
        return Instruction(number, _checked(record, "the text"), record=record)
    if isinstance(record, list):
        return Instruction(number, _first_user(record), record=record)
    if not isinstance(record, dict):
        raise _Unusable(f"an object, a chat or a string is needed, this is {_kind(record)}")
    extra = {key: record[key] for key in ("input", "output") if isinstance(record.get(key), str)}
    if field is not None:
        if field not in record:
            raise _Unusable(f"it has no field {field!r}")
        return Instruction(number, _text(record[field], f"field {field!r}"), record=record, **extra)
    for name in CHATS:
        if isinstance(record.get(name), Sequence) and not isinstance(record[name], str):
            return Instruction(number, _first_user(record[name]), record=record, **extra)
    found = [name for name in FIELDS if record.get(name) is not None]
    if found:
        return Instruction(number, _text(record[found[0]], f"field {found[0]!r}"), record=record, **extra)
    if any(name in record for name in FIELDS):
        raise _Unusable("its instruction is empty")
    raise _Unusable(f"it has none of the fields {', '.join((*FIELDS, *CHATS[:2]))}")


def _text(value: Any, what: str) -> str:
    if isinstance(value, list):
        return _first_user(value)
    if not isinstance(value, str):
        raise _Unusable(f"{what} must be a string, this is {_kind(value)}")
    return _checked(value, what)


def _checked(text: str, what: str) -> str:
    if not text.strip():
        raise _Unusable(f"{what} is empty")
    if not any(letter.isalnum() for letter in text):
        raise _Unusable(f"{what} has no letter and no digit")
    return text.strip()[:LONGEST]


def _first_user(chat: Sequence[Any]) -> str:
    for message in chat:
        if not isinstance(message, dict):
            raise _Unusable(f"a message must be an object, this is {_kind(message)}")
        speaker = message.get("role", message.get("from"))
        if isinstance(speaker, str) and speaker.lower() in SPEAKERS:
            content = message.get("content", message.get("value"))
            if isinstance(content, list):  # parts: texts, images, ...
                texts = [part.get("text") for part in content if isinstance(part, dict)]
                content = "\n".join(text for text in texts if isinstance(text, str))
            if not isinstance(content, str):
                raise _Unusable(f"the user's message must be a string, this is {_kind(content)}")
            return _checked(content, "the user's message")
    raise _Unusable("the chat has no message of the user")


def _kind(value: Any) -> str:
    names = {type(None): "null", bool: "true or false", dict: "an object", list: "a list", str: "a string"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else type(value).__name__)


# --- formats -----------------------------------------------------------------------------------------------------

Records = Iterator[tuple[int, Any]]


def _json(path: Path) -> Records:
    text = _decoded(path)
    start = text.lstrip()[:1]
    if start == "[" or (start == "{" and "\n{" not in text.strip()):
        try:
            value = json.loads(text)
        except ValueError:
            value = None  # perhaps one object a line
        if isinstance(value, list):
            yield from enumerate(value, 1)
            return
        if isinstance(value, dict):
            inside = next(
                (value[key] for key in ("data", "rows", "train") if isinstance(value.get(key), list)), [value]
            )
            yield from enumerate(inside, 1)
            return
    yield from _json_lines(path)


def _json_lines(path: Path) -> Records:
    for number, line in enumerate(_decoded(path).split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError:
                yield number, BadRow(number, "it is not valid JSON")


def _frame(path: Path) -> Records:
    table = read_table(path)
    yield from enumerate(table.frame.iter_rows(named=True), 1)


def _plain(path: Path) -> Records:
    text = _decoded(path)
    if text.lstrip()[:1] in ("{", "["):
        yield from _json(path)
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line


def _decoded(path: Path) -> str:
    try:
        return decoded(path.read_bytes(), path.name)
    except FileNotFoundError:
        raise InputError(f"There is no file {str(path)!r}: check the path.") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder: give a file.") from None


_READERS: dict[str, Callable[[Path], Records]] = {
    ".json": _json,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _frame,
    ".pq": _frame,
    ".csv": _frame,
    ".tsv": _frame,
}
