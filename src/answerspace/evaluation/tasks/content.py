"""The rows of a task as the values its test is put with. Built by hand in a test, or read and checked from a Data."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

from answerspace.errors import InputError
from answerspace.evaluation.tasks.rows import Data, Rows
from answerspace.evaluation.tasks.task import Question, Task


@dataclass(frozen=True)
class Clusters:
    """Texts that, under the question, should fall into groups by ``labels``."""

    name: str
    question: str
    texts: list[str]
    labels: list[str]


@dataclass(frozen=True)
class Wordings:
    """One set and the instructions put to it: ``instructions`` are (text, kind), the original first."""

    clusters: Clusters
    instructions: list[tuple[str, str]]


@dataclass(frozen=True)
class Triplets:
    """Texts that one question should bring together and part; equal ``groups`` are resampled together."""

    name: str
    question: str
    anchors: list[str]
    positives: list[str]
    negatives: list[str]
    groups: list[str]


@dataclass(frozen=True)
class Pairs:
    """Two texts under a question of their own, rated 1 if they agree under it and 0 if they differ."""

    first: list[str]
    second: list[str]
    questions: list[str]
    ratings: list[float]
    groups: list[str]


@dataclass(frozen=True)
class Similarity:
    """Pairs of texts under one question, with people's rating of their likeness."""

    question: str
    first: list[str]
    second: list[str]
    ratings: list[float]


@dataclass(frozen=True)
class Rankings:
    """Queries (each a list of sub-queries), the texts that answer them and those that do not."""

    question: str
    queries: list[list[str]]
    positives: list[list[str]]
    negatives: list[list[str]]


Content = list[Clusters] | Wordings | list[Triplets] | Pairs | Similarity | Rankings


def read_content(task: Task, data: Data) -> Content:
    """The checked content of a task. InputError names file and row of the first fault, or the counts that are wrong."""
    read = {
        "clustering": _clusterings,
        "criteria": _criteria,
        "lists": _wordings,
        "triplets": _triplets,
        "pairs": _pairs,
        "similarity": _similarity,
        "reranking": _rankings,
    }[task.kind]
    return read(task, data)


def _clusterings(task: Task, data: Data) -> Content:
    return [one for question in task.questions for one in _sets(task, question, data)]


def _criteria(task: Task, data: Data) -> Content:
    sets = [_sets(task, question, data)[0] for question in task.questions]
    for one in sets[1:]:
        if one.texts != sets[0].texts:
            raise InputError(
                f"{task.name}: the criteria must be asked of the same texts in the same order. "
                f"Got other texts under {one.name!r} than under {sets[0].name!r}."
            )
    return sets


def _wordings(task: Task, data: Data) -> Content:
    question = task.questions[0]
    clusters = _sets(task, question, data)[0]
    assert task.wording is not None, f"{task.name} has no lists of wordings"
    lists = data.wordings(task.wording)
    asked = [(question.instruction, "original")]
    return Wordings(clusters, asked + [(one, kind) for kind, ones in lists.items() for one in ones])


def _sets(task: Task, question: Question, data: Data) -> list[Clusters]:
    rows = data.rows(question.source)
    text_column, label_column = question.columns[0]
    if question.lists:
        sets = [
            Clusters(question.name, question.instruction, rows.texts(i, text_column), rows.texts(i, label_column))
            for i in range(len(rows.rows))
        ]
        for i, one in enumerate(sets):
            if len(one.texts) != len(one.labels):
                raise InputError(
                    f"{rows.at(i)}: there must be as many labels as texts. Got {len(one.labels):,} labels for "
                    f"{len(one.texts):,} texts."
                )
        return sets
    check_rows(task, rows)
    kept = list(range(len(rows.rows)))
    if question.optional:
        _check_column(rows, label_column)
        kept = [i for i in kept if rows.rows[i][label_column] is not None]
    texts = [_filled(rows, i, text_column) for i in kept]
    labels = [rows.text(i, label_column) for i in kept]
    _check_labels(task, question, rows, kept, labels)
    return [Clusters(question.name, question.instruction, texts, labels)]


def _triplets(task: Task, data: Data) -> Content:
    found = []
    for question in task.questions:
        rows = data.rows(question.source)
        check_rows(task, rows)
        cells = [[rows.text(i, c) for c in columns] for i in range(len(rows.rows)) for columns in question.columns]
        anchors, positives, negatives = ([one[place] for one in cells] for place in range(3))
        several = len(question.columns)
        groups = [str(i // several) for i in range(len(cells))] if several > 1 else anchors
        found.append(Triplets(question.name, question.instruction, anchors, positives, negatives, groups))
    return found


def _pairs(task: Task, data: Data) -> Content:
    question = task.questions[0]
    rows = data.rows(question.source)
    check_rows(task, rows)
    made: list[tuple[str, str, str, float]] = []
    for i in range(len(rows.rows)):
        for first, second, asked, rating in question.columns:
            value = float(rating[1:]) if rating.startswith("=") else rows.number(i, rating)
            if value not in (0, 1):
                raise InputError(f"{rows.at(i)}: {rating!r} must be 0 (differ) or 1 (agree). Got {value:g}.")
            made.append((rows.text(i, first), rows.text(i, second), rows.text(i, asked), value))
    ratings = [one[3] for one in made]
    if len(set(ratings)) < 2:
        raise InputError(f"{rows.where}: there must be pairs rated 0 and pairs rated 1. Got {ratings[0]:g} only.")
    first_texts, second_texts, questions = ([str(one[place]) for one in made] for place in range(3))
    groups = [f"{a}\0{b}" for a, b, _, _ in made]
    return Pairs(first_texts, second_texts, questions, ratings, groups)


def _similarity(task: Task, data: Data) -> Content:
    question = task.questions[0]
    rows = data.rows(question.source)
    check_rows(task, rows)
    first, second, rating = question.columns[0]
    numbers = range(len(rows.rows))
    return Similarity(
        question.instruction,
        [rows.text(i, first) for i in numbers],
        [rows.text(i, second) for i in numbers],
        [rows.number(i, rating) for i in numbers],
    )


def _rankings(task: Task, data: Data) -> Content:
    question = task.questions[0]
    rows = data.rows(question.source)
    check_rows(task, rows)
    query, positive, negative = question.columns[0]
    # as mteb does: a query without a right or a wrong candidate cannot be ranked and is left out
    kept = [i for i, row in enumerate(rows.rows) if row.get(positive) and row.get(negative)]
    if not kept:
        raise InputError(f"{rows.where}: a row must have {positive!r} and {negative!r}. Got none with both.")
    return Rankings(
        question.instruction,
        [rows.texts(i, query) for i in kept],
        [rows.texts(i, positive) for i in kept],
        [rows.texts(i, negative) for i in kept],
    )


# --- checks ------------------------------------------------------------------------------------------------------


def check_rows(task: Task, rows: Rows) -> None:
    """InputError unless the source has as many rows as the task says."""
    if task.rows and len(rows.rows) != task.rows:
        raise InputError(f"{rows.where}: {task.name} must have {task.rows:,} rows. Got {len(rows.rows):,}.")


def _check_column(rows: Rows, column: str) -> None:
    if all(column not in row for row in rows.rows):
        known = ", ".join(rows.rows[0])
        raise InputError(f"{rows.at(0)}: there must be a column {column!r}. Got {known}.")


def _check_labels(task: Task, question: Question, rows: Rows, kept: list[int], labels: Sequence[str]) -> None:
    if question.labels:
        for i, label in zip(kept, labels, strict=True):
            if label not in question.labels:
                allowed = ", ".join(question.labels)
                column = question.columns[0][1]
                raise InputError(f"{rows.at(i)}: {column!r} must be one of {allowed}. Got {label!r}.")
    classes = len(set(labels))
    if task.classes and classes != task.classes:
        raise InputError(f"{rows.where}: {task.name} must have {task.classes} labels. Got {classes}.")
    if classes < 2:
        raise InputError(f"{rows.where}: {question.columns[0][1]!r} must have at least two labels. Got {classes}.")


def _filled(rows: Rows, number: int, pattern: str) -> str:
    """The text column, or the pattern with the columns it names."""
    if "{" not in pattern:
        return rows.text(number, pattern)
    names = [name for _, name, _, _ in string.Formatter().parse(pattern) if name]
    return pattern.format(**{name: rows.text(number, name) for name in names})
