"""The dev score of answers as vectors: is a text's nearest neighbour one with the same answer?"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from answerspace.answers import Array
from answerspace.similarity import unit_rows
from answerspace.training.qa_rows import QA


def retrieval_rows(rows: Sequence[QA], most: int) -> list[QA]:
    """At most ``most`` rows that can be found: their answer is given about another text too.

    Equal answers are taken together, in an order that depends on the answers alone.
    """
    texts = Counter(key for key, _ in {(answer_key(row), row.text) for row in rows})
    findable = [row for row in rows if texts[answer_key(row)] > 1]
    return sorted(findable, key=lambda row: hashlib.blake2b(answer_key(row).encode()).digest())[:most]


def answer_key(row: QA) -> str:
    """What makes two answers equal: their words, whatever the case and outer punctuation."""
    return " ".join(row.answer.casefold().split()).strip(".,;:!?\"'")


def retrieval_accuracy(vectors: Array, rows: Sequence[QA]) -> float | None:
    """The share of rows whose nearest row about another text has the same answer, by cosine.

    ``vectors`` (n, d). Rows without such a partner do not count; None when there is none left.
    """
    keys = np.unique([answer_key(row) for row in rows], return_inverse=True)[1] if rows else np.zeros(0, np.int64)
    texts = np.unique([row.text for row in rows], return_inverse=True)[1] if rows else np.zeros(0, np.int64)
    other = texts[:, None] != texts[None]
    findable = ((keys[:, None] == keys[None]) & other).any(1)
    if not findable.any():
        return None
    unit = unit_rows(vectors)
    nearest = np.where(other, unit @ unit.T, -np.inf).argmax(1)
    return float((keys[nearest] == keys)[findable].mean())
