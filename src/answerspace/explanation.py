"""Explanation of clusters in words: InBedder's two methods, typical texts, and the make-up in gold labels.

tf-idf over the answers: a cluster's answers are joined into one document, and the mean over the K documents is
subtracted (the authors' code; their paper omits the subtraction). Contrast decoding: what the model's head says of
the difference between a cluster's mean state and the corpus mean; it is passed in as a function, because nothing
here knows a model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from answerspace.answers import Array
from answerspace.clustering import NOISE, Clustering, Labels, cluster_means
from answerspace.disk_arrays import pieces
from answerspace.results import Cluster

TOP_WORDS = 20
TYPICAL = 5
Decode = Callable[[Array, Array], Sequence[Sequence[str]]]  # (centres (K, D), corpus mean (D,)) -> words of each


def explain(
    clustering: Clustering,
    texts: Sequence[str],
    answers: Sequence[str],
    space: Array,
    *,
    states: Array | None = None,
    decode: Decode | None = None,
    gold: Sequence[str] | None = None,
) -> list[Cluster]:
    """The clusters in display order: by entropy when gold labels are given (as in the paper), else by size.

    ``space`` (n, d) is where the clusters were made; ``states`` (n, D) are the unnormalised last-layer vectors that
    ``decode`` takes. Noise comes last, without words.
    """
    labels = clustering.labels
    words = answer_words(answers, labels)
    head_words = _decoded(states, labels, decode)
    clusters = [
        Cluster(
            label=k,
            size=int((labels == k).sum()),
            words=words[k],
            head_words=head_words[k],
            typical=typical_rows(texts, space, labels == k, clustering.centres[k]),
            label_counts=None if gold is None else label_counts(gold, labels == k),
            entropy=None if gold is None else entropy(label_counts(gold, labels == k)),
        )
        for k in range(len(clustering.centres))
    ]
    clusters.sort(key=lambda c: (c.entropy if c.entropy is not None else 0.0, -c.size, c.label))
    return clusters + _noise(labels, gold)


def answer_words(answers: Sequence[str], labels: Labels, top: int = TOP_WORDS) -> list[list[str]]:
    """For each cluster the up to ``top`` words whose tf-idf exceeds the mean over clusters most, best first.

    ``TfidfVectorizer`` with its defaults over one document per cluster, as published. Words at or below the mean
    are left out; with a single cluster nothing is subtracted. Ties are alphabetical. Noise has no part in it.
    """
    count = int(labels.max(initial=-1)) + 1
    documents = [" ".join(a for a, label in zip(answers, labels, strict=True) if label == k) for k in range(count)]
    vectorizer = TfidfVectorizer()
    try:
        scores = vectorizer.fit_transform(documents).toarray()
    except ValueError:  # not one word of two letters in any answer
        return [[] for _ in documents]
    if count > 1:
        scores = scores - scores.mean(0)
    words = vectorizer.get_feature_names_out()
    best = [np.argsort(-row, kind="stable")[:top] for row in scores]
    return [[str(words[i]) for i in order if row[i] > 1e-12] for row, order in zip(scores, best, strict=True)]


def typical_rows(
    texts: Sequence[str], space: Array, members: np.ndarray, centre: Array, count: int = TYPICAL
) -> list[int]:
    """The members with the highest cosine to the centre, most typical first, no text twice; ties by row."""
    rows = np.flatnonzero(members)
    parts = [space[rows[piece]] @ centre for piece in pieces(len(rows))]
    nearness = np.round(
        np.concatenate(parts) if parts else np.zeros(0), 6
    )  # equal vectors tie, whatever the last bit says
    ordered = rows[np.argsort(-nearness, kind="stable")]
    first: dict[str, int] = {}
    for row in ordered:
        first.setdefault(texts[row], int(row))
        if len(first) == count:
            break
    return list(first.values())


def label_counts(gold: Sequence[str], members: np.ndarray) -> dict[str, int]:
    """How many members have each gold label, most frequent first; members without one are left out."""
    counts = Counter(label for label, member in zip(gold, members, strict=True) if member and label)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def entropy(counts: dict[str, int]) -> float:
    """-sum p log2 p in bits; 0 for an empty or pure make-up."""
    p = np.array(list(counts.values()), float)
    p = p[p > 0] / max(p.sum(), 1)
    return float(abs(-(p * np.log2(p)).sum()))  # abs: no -0.0


def _decoded(states: Array | None, labels: Labels, decode: Decode | None) -> list[list[str]]:
    count = int(labels.max(initial=-1)) + 1
    if decode is None or states is None or count < 2:  # one cluster does not differ from the corpus
        return [[] for _ in range(count)]
    return [list(words) for words in decode(cluster_means(states, labels), _mean(states))]


def _mean(states: Array) -> Array:
    total = sum(states[piece].sum(0, dtype=np.float64) for piece in pieces(len(states)))
    return np.asarray(total / len(states), np.float32)


def _noise(labels: Labels, gold: Sequence[str] | None) -> list[Cluster]:
    members = labels == NOISE
    if not members.any():
        return []
    counts = None if gold is None else label_counts(gold, members)
    rows = [int(row) for row in np.flatnonzero(members)[:TYPICAL]]
    return [Cluster(NOISE, int(members.sum()), [], [], rows, counts, None if counts is None else entropy(counts))]
