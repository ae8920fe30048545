"""A selection as a file and as lines to read."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from answerspace.errors import InputError
from answerspace.tables import read_table
from answerspace.task_selection.ranking import Selection

SUFFIXES = (".json", ".csv", ".jsonl")


def check_selection_path(path: str | Path) -> Path:
    """The path, or an InputError when its ending is none of SUFFIXES."""
    if Path(path).suffix not in SUFFIXES:
        raise InputError(f"--output must end in {', '.join(SUFFIXES)}. Got {str(path)!r}.")
    return Path(path)


def selection_rows(selection: Selection) -> list[dict[str, Any]]:
    """One row per pick: rank, name, score, reason and the parts of the score."""
    return [
        {"rank": rank, "name": one.name, "score": round(one.score, 6), "reason": one.reason}
        | {name: round(value, 6) for name, value in one.parts.items()}
        for rank, one in enumerate(selection.picks, 1)
    ]


def write_selection(selection: Selection, path: Path, facts: dict[str, str]) -> None:
    """Write the picks: .json with the facts, stability and notes; .jsonl and .csv the rows alone."""
    rows = selection_rows(selection)
    if path.suffix == ".json":
        content = {**facts, "stability": selection.stability, "notes": selection.notes, "tasks": rows}
        text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    elif path.suffix == ".jsonl":
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    else:
        out = io.StringIO()
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        text = out.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def read_selected_names(path: str | Path) -> list[str]:
    """The chosen tasks' names in a file of ``write_selection``, best first."""
    kept = check_selection_path(path)
    try:
        if kept.suffix == ".json":
            return [str(row["name"]) for row in json.loads(kept.read_text(encoding="utf-8"))["tasks"]]
        return [str(name) for name in read_table(kept).frame["name"].to_list()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"--tasks must be a file written by answerspace select-tasks. Got {str(path)!r}.") from None
