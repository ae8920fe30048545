"""What clustering a corpus under several questions gives: plain values that a report or a file writer takes.

Row i of every field belongs to text i. Nothing here knows how the values were made.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Cluster:
    """One group of texts under one question.

    ``words`` come from tf-idf over the answers, ``head_words`` from contrast decoding through the model's head
    (both best first, both may be empty). ``typical`` are row numbers, most typical first. ``label_counts`` and
    ``entropy`` (bits) are set only when gold labels were given. ``name`` is shown as it is; without one the words
    name the cluster.
    """

    label: int  # the number in QuestionResult.labels; -1 is noise
    size: int
    words: list[str]
    head_words: list[str]
    typical: list[int]
    label_counts: dict[str, int] | None = None
    entropy: float | None = None
    name: str = ""


@dataclass(frozen=True)
class QuestionResult:
    """The corpus under one question. ``clusters`` is in display order (largest first, noise last)."""

    question: str
    labels: npt.NDArray[np.int64]  # (n,)
    positions: npt.NDArray[np.float32]  # (n, 2)
    answers: list[str]  # n
    clusters: list[Cluster]
    method: str  # one sentence: how the clusters were made and how their number was chosen
    scores: dict[str, float] = field(default_factory=dict)  # v_measure, ari when gold labels were given


@dataclass(frozen=True)
class CorpusResult:
    """One corpus, its questions in the order asked. ``facts`` are shown as they are (model, date, counts)."""

    title: str
    texts: list[str]
    questions: list[QuestionResult]
    facts: dict[str, str] = field(default_factory=dict)
    gold: list[str] | None = None  # gold labels, "" where missing
