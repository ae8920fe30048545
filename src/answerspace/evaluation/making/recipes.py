"""The recipes by name: from a source to the files of a local suite, read back through the suite's own checks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

from answerspace.answer_store import put_in_place
from answerspace.errors import InputError
from answerspace.evaluation.making import pairs, triplets, wordings
from answerspace.evaluation.making.chat import Chat
from answerspace.evaluation.making.draft import Row
from answerspace.evaluation.making.workshop import Made, Options, make
from answerspace.evaluation.tasks.content import read_content
from answerspace.evaluation.tasks.local import CRITERIA_FILE, written_suite
from answerspace.evaluation.tasks.rows import Data, read_object
from answerspace.tables import column_texts, read_table, text_column

RECIPES = ("triplets", "pairs", "wordings")
FILES = {"triplets": triplets.FILE, "pairs": pairs.FILE, "wordings": wordings.FILE}
TASKS = {"triplets": "written.triplets", "pairs": "written.pairs"}
ABOUT = "made.json"
VERSION = 1  # of the requests: rows of another version do not mix


@dataclass(frozen=True)
class Source:
    """What a recipe starts from: a table with two columns, or for wordings a folder with criteria.json."""

    path: str
    columns: tuple[str | None, str | None] = (None, None)
    count: int | None = None
    number: int = 10
    seed: int = 0


@dataclass(frozen=True)
class MadeFile:
    """Where the rows went, how many there are, how many of them are new, and what could not be made."""

    path: Path
    rows: int
    new: int
    rejected: dict[str, list[str]]


def make_tests(
    recipe: str,
    source: Source,
    chat: Chat,
    output: str | Path,
    *,
    model: str,
    options: Options | None = None,
    show_progress: bool = False,
) -> MadeFile:
    """Carry out a recipe of RECIPES and write its file to ``output``, from where the written suite loads it.

    ``model`` is recorded with the rows. The source is checked before the first request. Raises InputError for a
    source that cannot be used, an output of other settings, an endpoint that does not answer, or no row made at all.
    """
    if recipe not in RECIPES:
        raise InputError(f"A recipe must be one of {', '.join(RECIPES)}. Got {recipe!r}.")
    folder = Path(output)
    chosen = options or Options()
    criteria: dict[str, str] = {}
    if recipe == "triplets":
        role, read = triplets.ROLE, _columns(source, ("text", "intent"))
        drafts = triplets.triplet_drafts(*read, count=source.count, seed=source.seed)
    elif recipe == "pairs":
        role, read = pairs.ROLE, _columns(source, ("sentence1", "sentence2"))
        drafts = pairs.pair_drafts(*read, count=source.count, seed=source.seed)
    else:
        role, criteria = wordings.ROLE, _criteria(source)
        read = (list(criteria), list(criteria.values()))
        drafts = wordings.wording_drafts(criteria, number=source.number, seed=source.seed)
    if not drafts:
        raise InputError(f"{source.path} must give at least one thing to make. Got none.")
    settings = {  # what the rows depend on; more rows of the same source may follow
        "model": model,
        "version": VERSION,
        "verify": chosen.verify,
        "source": f"{Path(source.path).name} {blake2b(json.dumps(read).encode(), digest_size=8).hexdigest()}",
        "seed": source.seed,
    }
    settings |= {"number": source.number} if recipe == "wordings" else {}
    made = make(drafts, chat, role, folder, recipe, settings, chosen, show_progress=show_progress)
    content = wordings.joined(criteria, made.rows) if recipe == "wordings" else list(made.rows.values())
    if not content:
        fault = next(iter(made.rejected.values()), ["no answer"])[0]
        raise InputError(
            f"{model} must make at least one row that passes the checks. Got none; the first fault: {fault}."
        )
    path = folder / FILES[recipe]
    _write(path, content)
    _complete(folder, recipe, source)
    _write_about(folder, recipe, settings, made, chosen)
    _load(folder, recipe, criteria)
    return MadeFile(path, len(content), made.new, made.rejected)


# --- sources -----------------------------------------------------------------------------------------------------


def _columns(source: Source, usual: tuple[str, str]) -> tuple[list[str], list[str]]:
    """The two columns; rows in which either is empty are left out."""
    table = read_table(source.path)
    names = [text_column(table, given or name) for given, name in zip(source.columns, usual, strict=True)]
    first, second = (column_texts(table.frame, name)[0] for name in names)
    rows = [(a.strip(), b.strip()) for a, b in zip(first, second, strict=True) if a.strip() and b.strip()]
    if not rows:
        raise InputError(f"{source.path} must have rows with {names[0]!r} and {names[1]!r}. Got none.")
    return [a for a, _ in rows], [b for _, b in rows]


def _criteria(source: Source) -> dict[str, str]:
    """The questions of criteria.json that are asked of a label column, by name."""
    folder = Path(source.path)
    if not folder.is_dir():
        raise InputError(f"Wordings are made from a folder with {CRITERIA_FILE}. Got {source.path!r}.")
    found = {}
    for name, value in read_object(folder / CRITERIA_FILE).items():
        if isinstance(value, dict) and value.get("field") and isinstance(value.get("question"), str):
            found[name] = value["question"]
    if not found:
        raise InputError(f"{folder / CRITERIA_FILE} must have criteria with 'field' and 'question'. Got none.")
    return dict(list(found.items())[: source.count]) if source.count else found


# --- the folder --------------------------------------------------------------------------------------------------


def _write(path: Path, content: Sequence[Row] | Mapping[str, Any]) -> None:
    with put_in_place(path) as part:
        if isinstance(content, Mapping):
            part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        else:
            part.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content), encoding="utf-8")


def _complete(folder: Path, recipe: str, source: Source) -> None:
    """What else the written suite needs: criteria.json, and for wordings the corpora that it names."""
    criteria = folder / CRITERIA_FILE
    if recipe == "wordings" and Path(source.path).resolve() != folder.resolve():
        described = read_object(Path(source.path) / CRITERIA_FILE)
        files = {str(value["file"]) for value in described.values() if isinstance(value, dict) and "file" in value}
        for name in (CRITERIA_FILE, *sorted(files)):
            if (Path(source.path) / name).is_file():
                shutil.copyfile(Path(source.path) / name, folder / name)
    elif not criteria.exists():
        _write(criteria, {})


def _write_about(folder: Path, recipe: str, settings: Mapping[str, Any], made: Made, options: Options) -> None:
    """How the files were made: whoever reports a number on them must be able to say it."""
    path = folder / ABOUT
    about = read_object(path) if path.exists() else {}
    about[recipe] = {
        **settings,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "tries": options.tries,
        "rows": len(made.rows),
        "rejected": len(made.rejected),
    }
    _write(path, about)


def _load(folder: Path, recipe: str, criteria: Mapping[str, str]) -> None:
    """Read the made tasks as an evaluation would: what does not load was not made."""
    data = Data(folder)
    names = [f"{name}.wording" for name in criteria] if recipe == "wordings" else [TASKS[recipe]]
    for task in written_suite(data).tasks:
        if task.name in names:
            read_content(task, data)
