"""CorpusResults built by hand, for the report's tests."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from answerspace.results import Cluster, CorpusResult, QuestionResult


def question(
    name: str, labels: npt.NDArray[np.int64], words: list[str], *, seed: int = 0, gold: list[str] | None = None
) -> QuestionResult:
    """A question whose cluster k sits around a place of its own and is called ``words[k]``; -1 is noise."""
    rng = np.random.default_rng(seed)
    places = rng.permutation(np.stack([np.cos(np.arange(len(words))), np.sin(np.arange(len(words)))], axis=1)) * 8
    positions = np.where((labels >= 0)[:, None], places[labels], 0) + rng.normal(size=(len(labels), 2))
    clusters = []
    for label in [*range(len(words)), -1]:
        rows = np.flatnonzero(labels == label)
        if len(rows) == 0:
            continue
        counts = None
        if gold is not None:
            counts = {value: sum(gold[row] == value for row in rows) for value in sorted({gold[row] for row in rows})}
        clusters.append(
            Cluster(
                label=label,
                size=len(rows),
                words=[words[label], "and more"] if label >= 0 else [],
                head_words=[],
                typical=rows[:3].tolist(),
                label_counts=counts,
                entropy=None if gold is None else 0.5,
            )
        )
    answers = [words[label] if label >= 0 else "" for label in labels]
    return QuestionResult(name, labels, positions.astype(np.float32), answers, clusters, "Made by hand.")


def corpus(n_texts: int, *, texts: list[str] | None = None) -> CorpusResult:
    """Three questions with 6, 4 and 3 clusters; the second has noise. Text i says ``number i``."""
    rng = np.random.default_rng(7)
    texts = texts or [f"This is text number {row} of the corpus, and it says something." for row in range(n_texts)]
    aspects = rng.integers(-1, 4, n_texts)
    return CorpusResult(
        title="A hand-made corpus",
        texts=texts,
        questions=[
            question("What is it?", rng.integers(0, 6, n_texts), ["hotel", "shoe", "train", "soup", "film", "lamp"]),
            question("What matters?", aspects, ["price", "staff", "speed", "comfort"], seed=1),
            question("How do they feel?", rng.integers(0, 3, n_texts), ["glad", "angry", "sad"], seed=2),
        ],
        facts={"Texts": str(n_texts)},
    )
