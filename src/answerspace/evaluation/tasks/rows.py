"""Rows of a source: from the data folder or the hub, every cell checked; a complaint names the file and the row."""

from __future__ import annotations

import ast
import json
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from answerspace.errors import InputError, MissingExtra
from answerspace.evaluation.tasks.task import Source, WordingSource

Row = Mapping[str, Any]
SUFFIXES = (".jsonl", ".parquet")  # a source's file may come in either
WORDING_KINDS = ("correct", "implicit", "incorrect")
TIMEOUT = 30  # seconds for one file from the authors' repository


@dataclass(frozen=True)
class Rows:
    """Rows of one source and the name that complaints use."""

    rows: Sequence[Row]
    where: str

    def at(self, number: int) -> str:
        """Where row ``number`` (from 0) is, in words; people count rows from 1."""
        return f"{self.where}, row {number + 1}"

    def text(self, number: int, column: str) -> str:
        """The cell as a non-empty string; a number becomes its digits."""
        value = self.rows[number].get(column)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"{self.at(number)}: {column!r} must be a non-empty string. Got {value!r:.80}.")
        return value

    def number(self, number: int, column: str) -> float:
        """The cell as a number."""
        value = self.rows[number].get(column)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            raise InputError(f"{self.at(number)}: {column!r} must be a number. Got {value!r:.80}.")
        return float(value)

    def texts(self, number: int, column: str) -> list[str]:
        """The cell as a list of non-empty strings; a string counts as a list of one."""
        value = self.rows[number].get(column)
        values = [value] if isinstance(value, str) else value
        if (
            not isinstance(values, list)
            or not values
            or not all(isinstance(one, str) and one.strip() for one in values)
        ):
            raise InputError(f"{self.at(number)}: {column!r} must be a list of non-empty strings. Got {value!r:.80}.")
        return values


class Data:
    """The data folder, or the hub when there is none. A file that was read is kept for the next task on it."""

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        if self.folder is not None and not self.folder.is_dir():
            raise InputError(f"--data must be a folder with the files of the suite. Got {str(folder)!r}.")
        self._read: dict[Source, Rows] = {}

    def rows(self, source: Source) -> Rows:
        """The rows of a source, at least one."""
        if source not in self._read:
            path = self.find(source.file, source.folder)
            if path is not None:
                found = Rows(read_rows(path), str(path))
            elif self.folder is not None:
                raise InputError(
                    f"{self.folder / source.file} must exist. Got no such file; check --data"
                    + (" or leave it out to read from the hub." if source.hub else ".")
                )
            else:
                found = _hub_rows(source)
            if not found.rows:
                raise InputError(f"{found.where} must have at least one row. Got none.")
            self._read[source] = found
        return self._read[source]

    def wordings(self, source: WordingSource) -> dict[str, list[str]]:
        """Instructions by kind of WORDING_KINDS, each list without gaps."""
        path = self.find(source.file, source.folder)
        if path is not None:
            entry, where = read_object(path).get(source.key), f"{path}, {source.key!r}"
        elif self.folder is not None or not source.url:
            raise InputError(f"{source.file} must be in the --data folder. Got none in {self.folder}.")
        else:
            entry, where = _literals(_download(source.url)), source.url
        if not isinstance(entry, dict):
            raise InputError(f"{where} must hold the lists {', '.join(WORDING_KINDS)}. Got {type(entry).__name__}.")
        found = {kind: entry.get(kind, entry.get(f"{kind}_instructions")) for kind in WORDING_KINDS}
        for kind, instructions in found.items():
            if not isinstance(instructions, list) or not instructions:
                raise InputError(f"{where}: {kind!r} must be a list of instructions. Got {instructions!r:.80}.")
            for place, one in enumerate(instructions, 1):
                if not isinstance(one, str) or not one.strip():
                    raise InputError(f"{where}: {kind!r} item {place} must be a non-empty string. Got {one!r:.80}.")
        return {kind: list(instructions or []) for kind, instructions in found.items()}

    def find(self, file: str, folder: str = "") -> Path | None:
        """The file in the data folder or its sub-folder, whichever there is."""
        if self.folder is None:
            return None
        for base in (self.folder, self.folder / folder):
            for name in (file, *(str(Path(file).with_suffix(suffix)) for suffix in SUFFIXES if "." in file)):
                if (base / name).is_file() and Path(name).suffix in {Path(file).suffix, *SUFFIXES}:
                    return base / name
        return None


def read_rows(path: Path) -> list[Row]:
    """The rows of a JSON Lines, Parquet or JSON file."""
    if path.suffix == ".parquet":
        import polars as pl

        try:
            return list(pl.read_parquet(path).to_dicts())
        except (OSError, pl.exceptions.PolarsError) as error:
            raise InputError(f"{path} must be a readable Parquet file. Got: {error!s:.120}.") from None
    if path.suffix == ".json":
        return _json_rows(path)
    rows: list[Row] = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        if line.strip():
            row = _parsed(line, f"{path}, row {number}")
            if not isinstance(row, dict):
                raise InputError(f"{path}, row {number}: must be a JSON object. Got {type(row).__name__}.")
            rows.append(row)
    return rows


def _json_rows(path: Path) -> list[Row]:
    """The objects of a JSON list; of an object of labels with ``samples`` (IEB) each sample's text and label."""
    value = _parsed(_text(path), str(path))
    if isinstance(value, dict):
        groups = [(label, group.get("samples")) for label, group in value.items() if isinstance(group, dict)]
        value = [
            {"text": sample["instruction"], "label": label}
            for label, samples in groups
            for sample in samples or []
            if isinstance(sample, dict) and "instruction" in sample
        ]
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise InputError(f"{path} must hold a JSON list of objects. Got {type(value).__name__}.")
    return value


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object."""
    value = _parsed(_text(path), str(path))
    if not isinstance(value, dict):
        raise InputError(f"{path} must hold a JSON object. Got {type(value).__name__}.")
    return value


def _hub_rows(source: Source) -> Rows:
    if not source.hub:
        raise InputError(f"{source.file} must be in a folder given by --data. Got no --data.")
    try:
        import datasets
    except ImportError:
        raise MissingExtra(f"Reading {source.hub} from the hub", "eval") from None
    where = f"{source.hub}@{source.revision[:8]}" + (f" ({source.config})" if source.config else "")
    try:
        found = datasets.load_dataset(
            source.hub, source.config or None, revision=source.revision or None, split=source.split
        )
    except Exception as error:  # the hub client raises many kinds; each means that these rows cannot be had
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"{where} must be readable from the hub. Got: {said[0]:.120}; give --data with {source.file} instead."
        ) from None
    return Rows(list(found), where)


def _download(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            text: str = response.read().decode("utf-8")
            return text
    except (OSError, ValueError) as error:
        raise InputError(f"{url} must be reachable. Got: {error}; give --data with the lists instead.") from None


def _literals(code: str) -> dict[str, Any]:
    """Every dictionary entry of a Python file whose value is a literal; the file is parsed, not run."""
    found: dict[str, Any] = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.Constant | ast.List):
                    found[str(key.value)] = ast.literal_eval(value)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path} must exist. Got no such file; check --data.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} must be a readable UTF-8 file. Got: {error}.") from None


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: must be valid JSON. Got: {error}.") from None
