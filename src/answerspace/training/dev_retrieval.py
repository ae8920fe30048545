"""Dev scores of answers as vectors: are texts with the same answer nearer than others?"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

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


def pairs_in_order(vectors: Tensor, truth: Tensor) -> list[float]:
    """[the share of (equal, different) pairs of rows whose cosines are in order]; empty where one kind is missing."""
    upper = torch.ones(len(truth), len(truth), dtype=torch.bool).triu(1)
    cosines = (vectors @ vectors.T).cpu()
    equal = (truth[:, None] == truth[None, :]).cpu()
    near, far = cosines[upper & equal], cosines[upper & ~equal]
    return [float((near[:, None] > far[None, :]).float().mean())] if len(near) and len(far) else []
