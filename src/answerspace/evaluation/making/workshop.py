"""The workshop: drafts to rows. Asks, checks, verifies, asks again with the faults named, keeps every finished row.

Finished rows are kept in ``output/.work`` as they come, so that a run that was stopped goes on where it was and nothing
is paid for twice. What could not be made in so many tries is listed with its faults in ``rejected.jsonl``; the next
run tries it again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from typing import Any

from answerspace.answer_store import put_in_place
from answerspace.errors import InputError
from answerspace.evaluation.making.chat import Chat, json_object
from answerspace.evaluation.making.checks import normal
from answerspace.evaluation.making.draft import Draft, Row
from answerspace.progress import bar

WORK = ".work"
REJECTED = "rejected.jsonl"
MAKING, READING = 0.9, 0.0  # temperatures: to write with, to verify with
AGAIN = "\nYour last answer was refused:\n{faults}\nAnswer again in the same form.\n"


@dataclass(frozen=True)
class Options:
    """``parallel`` requests at once, ``tries`` per draft; ``verify`` asks the model about its rows, unhinted."""

    parallel: int = 4
    tries: int = 3
    verify: bool = True


@dataclass(frozen=True)
class Made:
    """Rows by id in the order of the drafts, those that could not be made with their faults, and how many were new."""

    rows: dict[str, Row]
    rejected: dict[str, list[str]]
    new: int


def make(
    drafts: Sequence[Draft],
    chat: Chat,
    role: str,
    output: Path,
    recipe: str,
    settings: Mapping[str, Any],
    options: Options | None = None,
    *,
    show_progress: bool = False,
) -> Made:
    """Make every draft that is not made yet.

    ``settings`` are what the rows depend on (model, source, seed): a folder made with others is refused. An error of
    the endpoint ends the run after the rows that are finished; the same call goes on.
    """
    chosen = options or Options()
    store = _Store(output / WORK, recipe, settings)
    known = {row["id"]: row for row in store.rows}
    todo = [draft for draft in drafts if draft.id not in known]
    seen = {normal(text) for draft in drafts if draft.id in known for text in draft.texts(known[draft.id])}
    rejected: dict[str, list[str]] = {}
    lock, stop = Lock(), Event()

    def one(draft: Draft) -> None:
        row, faults = _made(draft, chat, role, chosen, seen, lock, stop)
        if stop.is_set():
            return
        with lock:
            if row is None:
                rejected[draft.id] = faults
            else:
                known[draft.id] = row
                store.add(row)

    with bar() as progress, ThreadPoolExecutor(chosen.parallel) as pool:
        task = progress.add_task(recipe, total=len(drafts), completed=len(drafts) - len(todo), visible=show_progress)
        waiting = {pool.submit(one, draft) for draft in todo}
        try:
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                    progress.advance(task)
        except BaseException:
            stop.set()
            for future in waiting:
                future.cancel()
            raise
    _write_rejected(output / REJECTED, recipe, rejected)
    rows = {draft.id: known[draft.id] for draft in drafts if draft.id in known}
    return Made(rows, rejected, len(todo) - len(rejected))


def _made(
    draft: Draft, chat: Chat, role: str, options: Options, seen: set[str], lock: Lock, stop: Event
) -> tuple[Row | None, list[str]]:
    """The row, or None and the faults of the last try."""
    faults: list[str] = []
    for _ in range(options.tries):
        if stop.is_set():
            return None, faults
        # 1) ask, with what was wrong last time
        again = AGAIN.format(faults="\n".join(f"- {fault}" for fault in faults)) if faults else ""
        answer = json_object(chat.ask(role, draft.request + again, MAKING))
        if answer is None:
            faults = ["the answer must be one JSON object"]
            continue
        # 2) check
        verdict = draft.accept(answer)
        faults = verdict.faults
        if verdict.row is None:
            continue
        # 3) verify, without saying what is expected
        if options.verify:
            for question in draft.verify(verdict.row):
                faults += question.judge(json_object(chat.ask(role, question.request, READING)) or {})
        if faults:
            continue
        # 4) no other row may say the same
        with lock:
            texts = {normal(text) for text in draft.texts(verdict.row)}
            if not texts & seen:
                seen |= texts
                return verdict.row, []
        faults = ["another row says the same: word it differently"]
    return None, faults


class _Store:
    """Rows of one recipe as JSON lines, and the settings they were made with."""

    def __init__(self, folder: Path, recipe: str, settings: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{recipe}.jsonl"
        self._check(folder / f"{recipe}.settings.json", dict(settings))
        self.rows = self._read()

    def add(self, row: Row) -> None:
        """Append a row, on disk at once."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def _check(self, path: Path, settings: dict[str, Any]) -> None:
        if path.exists():
            try:
                known = json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                known = None
            if known != settings:
                changed = [key for key in settings if not isinstance(known, dict) or known.get(key) != settings[key]]
                raise InputError(
                    f"{path.parent.parent} must go on with the settings it was begun with. Got another "
                    f"{', '.join(changed) or 'set of them'}; give another --output or delete {path.parent}."
                )
        else:
            with put_in_place(path) as part:
                part.write_text(json.dumps(settings, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def _read(self) -> list[Row]:
        """The rows that are whole; a last line that was cut off is dropped from the file too."""
        if not self.path.exists():
            return []
        rows = []
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict) and "id" in row:
                rows.append(row)
        with put_in_place(self.path) as part:
            part.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        return rows


def _write_rejected(path: Path, recipe: str, rejected: Mapping[str, list[str]]) -> None:
    others = []
    if path.exists():
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        others = [one for one in lines if one.get("recipe") != recipe]
    ones = [*others, *({"recipe": recipe, "id": id, "faults": faults} for id, faults in rejected.items())]
    if ones:
        with put_in_place(path) as part:
            part.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in ones), encoding="utf-8")
    else:
        path.unlink(missing_ok=True)
