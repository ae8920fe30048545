"""A task as a frozen value: what is asked of which rows, how it is scored, where it comes from and under what terms."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

KINDS = ("clustering", "lists", "triplets", "pairs", "reranking", "similarity", "criteria")


@dataclass(frozen=True)
class Source:
    """Where rows are: ``file`` in the data folder (or in its sub-folder ``folder``), else on the hub.

    ``hub`` is a dataset id read at ``revision``; "" where there is none.
    """

    file: str
    folder: str = ""
    hub: str = ""
    revision: str = ""
    config: str = ""
    split: str = "test"


@dataclass(frozen=True)
class WordingSource:
    """Where the correct, implicit and incorrect instructions of a set are: ``key`` of the JSON object in ``file``.

    ``url`` is the authors' file with the same lists as Python literals, read (never run) when there is no local file.
    """

    file: str
    key: str
    folder: str = ""
    url: str = ""


@dataclass(frozen=True)
class Question:
    """One instruction and the columns it is judged by.

    | kind | ``columns`` |
    |---|---|
    | clustering, lists, criteria | (text, label); the text may be a pattern such as "{text} The type of {entity}." |
    | triplets | (anchor, positive, negative), one tuple per triplet that a row gives |
    | pairs | (text, text, instruction, rating), one tuple per rated pair; a rating "=0" or "=1" is a constant |
    | similarity | (text, text, rating) |
    | reranking | (query, positive, negative): a string or a list, and two lists |

    ``labels`` are the only labels allowed; () allows any. ``optional``: rows whose label is null are left out.
    ``lists``: a row holds a list of texts and a list of labels and is a clustering of its own.
    """

    name: str
    instruction: str
    source: Source
    columns: tuple[tuple[str, ...], ...]
    labels: tuple[str, ...] = ()
    optional: bool = False
    lists: bool = False


@dataclass(frozen=True)
class Task:
    """``rows`` and ``classes`` are the set's own figures, checked on reading; 0 where they are not known.

    ``comparable``: published numbers of the same name may stand beside ours. ``main`` is the first measure.
    ``alike``: how many tasks of its kind its suite has, told where the suite was narrowed to some of its tasks; else 0.
    """

    name: str
    suite: str
    kind: str
    questions: tuple[Question, ...]
    metric: str
    licence: str
    citation: str
    rows: int = 0
    classes: int = 0
    comparable: bool = False
    wording: WordingSource | None = None
    alike: int = 0

    def facts(self) -> dict[str, Any]:
        """The task as the result document shows it."""
        return {
            "name": self.name,
            "suite": self.suite,
            "kind": self.kind,
            "metric": self.metric,
            "instructions": [question.instruction for question in self.questions],
            "source": asdict(self.questions[0].source),
            "licence": self.licence,
            "citation": self.citation,
            "size": {"rows": self.rows, "labels": self.classes},
            "comparable": self.comparable,
        }


@dataclass(frozen=True)
class Suite:
    """Tasks under one name. ``about`` is the line that --help and the tables show."""

    name: str
    about: str
    tasks: tuple[Task, ...] = field(default=())
