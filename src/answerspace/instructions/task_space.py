"""The space in which instruction sets are used: distinct instructions with their labels and vectors, computed once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from answerspace.answer_store import put_in_place
from answerspace.answers import Array
from answerspace.batches import distinct
from answerspace.embedder import Embedder
from answerspace.errors import InputError
from answerspace.instructions.benchmark_rows import ROWS, make_row
from answerspace.instructions.benchmark_run import QUESTION
from answerspace.instructions.english import EnglishExtractor
from answerspace.instructions.instruction_files import Instruction, InstructionSet
from answerspace.instructions.pie import PieEncoder, load_pie
from answerspace.instructions.synonyms import merged_labels
from answerspace.instructions.task_embedding import TaskEncoder
from answerspace.instructions.task_labels import Extractor, TaskLabel
from answerspace.protocols import Encoder

BEST = "task"  # the row of the instruction tests that the uses take when none is named


class RememberedLabels:
    """An Extractor that makes another one when first asked, and asks it about each text once."""

    def __init__(self, make: Callable[[], Extractor], *, show_progress: bool = False) -> None:
        self.show_progress = show_progress
        self._make = make
        self._extractor: Extractor | None = None
        self._found: dict[str, list[TaskLabel]] = {}

    def labels(self, instructions: Sequence[str]) -> list[list[TaskLabel]]:
        """As the other extractor's."""
        new = [text for text in dict.fromkeys(instructions) if text not in self._found]
        if new:
            extractor = self._extractor = self._extractor or self._make()
            if isinstance(extractor, EnglishExtractor):
                found = extractor.labels(new, show_progress=self.show_progress)
            else:
                found = extractor.labels(new)
            self._found.update(zip(new, found, strict=True))
        return [list(self._found[text]) for text in instructions]


def distinct_instructions(instructions: InstructionSet) -> InstructionSet:
    """The rows whose instruction did not occur before."""
    first: dict[str, Instruction] = {}
    for row in instructions.rows:
        first.setdefault(row.text, row)
    return replace(instructions, rows=list(first.values()))


def make_encoder(name: str, load: Callable[[str | None], Embedder], extractor: Extractor) -> Encoder:
    """The encoder that ``--by`` names: a row of ``benchmark_rows.ROWS``, or a hub id or folder for PIE."""
    if name == BEST:
        return TaskEncoder(load(None), extractor)
    return make_row(name, load)() if name in ROWS else load_pie(name)


def task_vectors(encoder: Encoder, *collections: Sequence[str], show_progress: bool = False) -> list[Array]:
    """(n_i, d) vectors of each collection of texts, equal texts encoded once and all in one call.

    One call, because encoders such as TF-IDF are fitted on the texts they are given.
    """
    texts, inverse = distinct([text for collection in collections for text in collection])
    options: dict[str, Any] = {}
    if isinstance(encoder, Embedder | TaskEncoder | PieEncoder):
        options["show_progress"] = show_progress
    if isinstance(encoder, PieEncoder):  # its prompt is its question
        vectors = encoder.encode(texts, **options)
    else:
        vectors = encoder.encode(texts, instruction=QUESTION, **options)
    if len(vectors) != len(texts) or not np.isfinite(vectors).all():
        raise InputError(
            f"An encoder must give one finite vector a text. Got shape {vectors.shape} for {len(texts)} texts."
        )
    every = np.asarray(vectors, np.float32)[inverse]
    return np.split(every, np.cumsum([len(collection) for collection in collections])[:-1])


def compared_texts(instructions: InstructionSet, *, instruction_only: bool = False) -> list[str]:
    """What makes two rows the same: the instruction with its input, if it has one."""
    if instruction_only:
        return instructions.texts
    return [f"{row.text}\n{row.input}" if row.input.strip() else row.text for row in instructions.rows]


@dataclass(frozen=True)
class Tasks:
    """The task of each instruction, all its steps, and the tasks of a second set named in the same way."""

    labels: list[str]
    steps: list[list[str]]
    other: list[str]


def find_tasks(
    instructions: InstructionSet,
    extractor: Extractor,
    *,
    field: str | None = None,
    other: InstructionSet | None = None,
) -> Tasks:
    """The tasks by a ``field`` of the rows, or by the extractor with synonymous labels merged over both sets."""
    rows = [*instructions.rows, *(other.rows if other else [])]
    n = len(instructions.rows)
    if field is not None:
        given = field_labels(rows, field)
        return Tasks(given[:n], [[label] for label in given[:n]], given[n:])
    found = extractor.labels([row.text for row in rows])
    names = merged_labels(labels[0] for labels in found)
    tasks = [names[labels[0]] for labels in found]
    return Tasks(tasks[:n], [[str(label) for label in labels] for labels in found[:n]], tasks[n:])


def field_labels(rows: Sequence[Instruction], field: str) -> list[str]:
    """The value of a field of each row's record as a label; InputError names the first row that has none."""
    labels = []
    for row in rows:
        value = row.record.get(field) if isinstance(row.record, dict) else None
        if value is None or value == "":
            raise InputError(f"--labels must be a field that every row has. Row {row.row} has no {field!r}.")
        labels.append(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
    return labels


def write_rows(rows: Sequence[Instruction], path: str | Path, extra: Sequence[dict[str, Any]] | None = None) -> None:
    """Write rows as JSON Lines with all their fields as they were read, plus ``extra`` ones row by row."""
    with put_in_place(Path(path)) as part, part.open("w", encoding="utf-8") as file:
        for row, added in zip(rows, extra or [{}] * len(rows), strict=True):
            file.write(json.dumps(_object(row) | added, ensure_ascii=False, default=str) + "\n")


def _object(row: Instruction) -> dict[str, Any]:
    if isinstance(row.record, dict):
        return row.record
    return {"messages": row.record} if isinstance(row.record, list) else {"instruction": row.text}


def checked_json_lines(path: str | Path) -> Path:
    """The path, or an InputError when it does not end in .jsonl or its folder does not exist."""
    path = Path(path)
    if path.suffix != ".jsonl":
        raise InputError(f"--output must end in .jsonl. Got {path.name!r}.")
    if not path.parent.is_dir():
        raise InputError(f"--output must lie in a folder that exists. Got {str(path)!r}.")
    return path
