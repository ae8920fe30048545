"""Pools: the tasks to choose from, their instructions, and what can be wrong with them.

A pool file is JSON Lines, CSV, TSV or Parquet with a row per task (``name`` and an instruction), or a row per
promptsource template (``jinja`` and ``path``; the templates of one path make one task).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from answerspace.errors import InputError
from answerspace.tables import read_table
from answerspace.task_selection.task_templates import fixed_choices, render_template

INSTRUCTION_COLUMNS = ("instruction", "instructions", "definition", "description")
NAMED = 5  # names spelled out in a complaint


@dataclass(frozen=True)
class PoolTask:
    """A task by its instructions (one or several wordings). ``origin`` is the data set it was made from."""

    name: str
    instructions: tuple[str, ...]
    category: str = ""
    origin: str = ""
    answers: tuple[str, ...] = ()  # the label space, where it is fixed


def read_pool(path: str | Path, *, where: Mapping[str, str] | None = None) -> list[PoolTask]:
    """The tasks of a file, checked. ``where`` keeps the rows whose columns have the given values.

    InputError when a task has no instruction, a name comes twice, or nothing is left.
    """
    rows = pool_rows(path, where)
    tasks = template_tasks(rows) if "jinja" in rows[0] else _plain_tasks(rows, str(path))
    return check_pool(tasks)


def pool_rows(path: str | Path, where: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """The rows of a pool file that meet ``where``; at least one."""
    frame = read_table(path).frame
    unknown = [column for column in where or {} if column not in frame.columns]
    if unknown:
        raise InputError(f"--where must name a column of {path}: {', '.join(frame.columns)}. Got {unknown[0]!r}.")
    rows = [row for row in frame.to_dicts() if all(str(row[c]) == value for c, value in (where or {}).items())]
    if not rows:
        raise InputError(f"The pool {path} must have at least one task. Got none with {dict(where or {})}.")
    return rows


def template_tasks(
    rows: Iterable[Mapping[str, Any]], *, original: bool = True, style: str = "named", part: str = "both"
) -> list[PoolTask]:
    """One task per ``path`` of promptsource rows, its templates as instructions without placeholders.

    ``original`` keeps the templates of the data set's own task where there are any, as INSTA does.
    """
    by_path: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_path.setdefault(str(row["path"]), []).append(row)
    tasks = []
    for path, templates in by_path.items():
        own = [row for row in templates if _true(row.get("original_task"))] if original else []
        said = [
            render_template(str(row["jinja"]), row.get("answer_choices"), style=style, part=part)
            for row in own or templates
        ]
        answers = {choice for row in own or templates for choice in fixed_choices(row.get("answer_choices"))}
        instructions = tuple(dict.fromkeys(one for one in said if one))
        tasks.append(PoolTask(path, instructions, origin=path.split("/")[0], answers=tuple(sorted(answers))))
    return tasks


def check_pool(tasks: Sequence[PoolTask]) -> list[PoolTask]:
    """The tasks, or an InputError that names those without an instruction and the names that come twice."""
    if not tasks:
        raise InputError("A pool must have at least one task. Got none.")
    empty = [task.name for task in tasks if not any(one.strip() for one in task.instructions)]
    if empty:
        raise InputError(f"Every task of a pool must have an instruction. Got none for {_names(empty)}.")
    seen: set[str] = set()
    twice = [task.name for task in tasks if task.name in seen or seen.add(task.name)]  # type: ignore[func-returns-value]
    if twice:
        raise InputError(f"Names in a pool must differ. Got {_names(twice)} more than once; rename or drop them.")
    return list(tasks)


def target_free(
    tasks: Sequence[PoolTask],
    target: PoolTask,
    *,
    exclude_origins: Sequence[str] = (),
    drop_target: bool = False,
) -> tuple[list[PoolTask], list[str]]:
    """The pool without the target and the origins to leave out, and one note per thing that was taken out.

    A pool task is the target when it has its name or one of its instructions (case and spaces aside). Without
    ``drop_target`` that is an InputError: choosing the target itself measures nothing.
    """
    own = {_plain(one) for one in target.instructions}
    inside = [task.name for task in tasks if task.name == target.name or own & {_plain(i) for i in task.instructions}]
    if inside and not drop_target:
        raise InputError(
            f"The target must not be in the pool. Got {_names(inside)}; add --drop-target to leave it out."
        )
    unknown = set(exclude_origins) - {task.origin for task in tasks}
    if unknown:
        raise InputError(f"--exclude-source must name a source of the pool. Got {', '.join(sorted(unknown))}.")
    kept = [task for task in tasks if task.name not in inside and task.origin not in exclude_origins]
    notes = [f"Left out, because it is the target: {name}." for name in inside]
    for origin in exclude_origins:
        notes.append(f"Left out {sum(t.origin == origin for t in tasks)} tasks made from {origin}.")
    if not kept:
        raise InputError("The pool must keep at least one task besides what is left out. Got none.")
    return kept, notes


def origin_of_name(name: str) -> str:
    """The data set in a Super-NaturalInstructions name: task001_quoref_question_generation -> quoref."""
    found = re.match(r"task\d+_([^_]+)", name)
    return found.group(1) if found else ""


def _plain_tasks(rows: Sequence[Mapping[str, Any]], path: str) -> list[PoolTask]:
    column = next((name for name in INSTRUCTION_COLUMNS if name in rows[0]), None)
    if column is None or "name" not in rows[0]:
        wanted = f"name and one of {', '.join(INSTRUCTION_COLUMNS)}"
        raise InputError(f"The pool {path} must have the columns {wanted}. Its columns are: {', '.join(rows[0])}.")
    return [
        PoolTask(
            name=str(row["name"] or ""),
            instructions=tuple(one.strip() for one in _listed(row[column]) if one.strip()),
            category=str(row.get("category") or ""),
            origin=str(row.get("origin") or origin_of_name(str(row["name"]))),
            answers=tuple(_listed(row.get("label_space"))),
        )
        for row in rows
    ]


def _listed(cell: Any) -> list[str]:
    """A cell as strings: a list, a JSON list, or one string."""
    if cell is None:
        return []
    if isinstance(cell, list):
        return [str(one) for one in cell]
    if isinstance(cell, str) and cell.startswith("["):
        try:
            return [str(one) for one in json.loads(cell)]
        except ValueError:
            pass
    return [str(cell)]


def _true(cell: Any) -> bool:
    return cell is True or str(cell).lower() == "true"


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(map(repr, names[:NAMED])) + more
