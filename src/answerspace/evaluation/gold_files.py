"""Files of gold answers: every row is checked, and a complaint names the file and the row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from answerspace.errors import InputError


def read_rows(path: Path, fields: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a JSON Lines file; each must hold a non-empty string in every one of ``fields``."""
    rows = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip():
            continue
        where = f"{path}, row {number}"
        row = _parsed(line, where)
        if not isinstance(row, dict):
            raise InputError(f"{where}: must be a JSON object. Got {type(row).__name__}.")
        for field in fields:
            if not isinstance(row.get(field), str) or not row[field].strip():
                raise InputError(f"{where}: {field!r} must be a non-empty string. Got {row.get(field)!r}.")
        rows.append(row)
    if not rows:
        raise InputError(f"{path} must have at least one row. Got none.")
    return rows


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object."""
    value = _parsed(_text(path), str(path))
    if not isinstance(value, dict):
        raise InputError(f"{path} must hold a JSON object. Got {type(value).__name__}.")
    return value


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
