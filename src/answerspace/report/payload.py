"""What the report page is given: a CorpusResult as small, plain JSON values.

The page's script reads exactly these keys. Row i of every list belongs to text i.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from answerspace.errors import InputError
from answerspace.results import Cluster, CorpusResult, QuestionResult

LONGEST_TEXT = 600  # characters of a text or an answer that the page keeps
GRID = 10_000  # positions are whole numbers from 0 to this


def payload(result: CorpusResult) -> dict[str, Any]:
    """The whole result, with texts cut to ``LONGEST_TEXT`` and positions rounded to a grid."""
    for question in result.questions:
        _check(question, len(result.texts))
    if result.gold is not None and len(result.gold) != len(result.texts):
        raise InputError(f"gold must have one label per text: {len(result.texts)}. Got {len(result.gold)}.")
    return {
        "title": result.title,
        "facts": list(result.facts.items()),
        "texts": [_cut(text) for text in result.texts],
        "cut": sum(len(text) > LONGEST_TEXT for text in result.texts),
        "longest": LONGEST_TEXT,
        "grid": GRID,
        "gold": None if result.gold is None else _indexed(result.gold),
        "questions": [_question(question) for question in result.questions],
    }


def grid_positions(positions: npt.NDArray[np.float32]) -> list[int]:
    """Positions (n, 2) as x0, y0, x1, y1, … on the grid, both axes on one scale and centred."""
    if len(positions) == 0:
        return []
    wide = positions.astype(np.float64)
    low, high = wide.min(axis=0), wide.max(axis=0)
    span = float((high - low).max()) or 1.0
    unit = (wide - (low + high) / 2) / span + 0.5
    return [int(value) for value in np.rint(unit * GRID).ravel()]


def _question(question: QuestionResult) -> dict[str, Any]:
    return {
        "question": question.question,
        "method": question.method,
        "scores": {name: float(score) for name, score in question.scores.items() if math.isfinite(score)},
        "labels": [int(label) for label in question.labels],
        "xy": grid_positions(question.positions),
        "answers": _indexed(_cut(answer) for answer in question.answers),
        "clusters": [_cluster(cluster) for cluster in question.clusters],
    }


def _cluster(cluster: Cluster) -> dict[str, Any]:
    entropy = cluster.entropy
    return {
        "label": int(cluster.label),
        "name": cluster.name,
        "size": int(cluster.size),
        "words": list(cluster.words),
        "headWords": list(cluster.head_words),
        "typical": [int(row) for row in cluster.typical],
        "labelCounts": None if cluster.label_counts is None else _most_first(cluster.label_counts),
        "entropy": float(entropy) if entropy is not None and math.isfinite(entropy) else None,
    }


def _most_first(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(((label, int(count)) for label, count in counts.items()), key=lambda pair: (-pair[1], pair[0]))


def _indexed(values: Iterable[str]) -> dict[str, list[Any]]:
    """Each different value once, and per row its number: answers and labels repeat a lot."""
    numbers: dict[str, int] = {}
    rows = [numbers.setdefault(value, len(numbers)) for value in values]
    return {"values": list(numbers), "rows": rows}


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1].rstrip() + "…"


def _check(question: QuestionResult, n_texts: int) -> None:
    for name in ("labels", "positions", "answers"):
        n_rows = len(getattr(question, name))
        if n_rows != n_texts:
            raise InputError(f"{name} of {question.question!r} must have one row per text: {n_texts}. Got {n_rows}.")
    if n_texts and question.positions.shape != (n_texts, 2):
        raise InputError(f"positions must have shape ({n_texts}, 2). Got {question.positions.shape}.")
    if not np.isfinite(question.positions).all():
        raise InputError(f"positions of {question.question!r} must be finite. Got NaN or infinity; project again.")
    missing = set(question.labels.tolist()) - {cluster.label for cluster in question.clusters}
    if missing:
        raise InputError(f"Each label of {question.question!r} needs a Cluster. Got none for {sorted(missing)}.")
    rows = [row for cluster in question.clusters for row in cluster.typical]
    if any(not 0 <= row < n_texts for row in rows):
        raise InputError(f"typical must hold row numbers from 0 to {n_texts - 1}. Got {sorted(rows)[-1]}.")
