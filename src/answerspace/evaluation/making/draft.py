"""A draft: one thing to be made, by what the model is asked, what an answer must be and how it is verified."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """A made row, whole or in part, and the faults that an answer had; no row means that nothing of it is kept."""

    row: Row | None
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Question:
    """A second request, which does not say what the answer should be; ``judge`` gives the faults of its answer."""

    request: str
    judge: Callable[[Mapping[str, Any]], list[str]]


@dataclass(frozen=True)
class Draft:
    """``id`` names the row in files; ``verify`` gives the questions about an accepted row.

    ``accept`` may keep what was good of an answer for the next attempt. ``texts`` are the
    strings of a row that no other row may have.
    """

    id: str
    request: str
    accept: Callable[[Mapping[str, Any]], Verdict]
    verify: Callable[[Row], Sequence[Question]]
    texts: Callable[[Row], list[str]]
