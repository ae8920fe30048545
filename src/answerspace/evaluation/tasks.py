"""The three kinds of test as plain values, and the function that puts each to an encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from answerspace.answers import Array
from answerspace.clustering import clustering_space
from answerspace.errors import InputError
from answerspace.evaluation.scores import (
    Numbers,
    Score,
    bootstrap,
    clustering_scores,
    harmonic_mean,
    pair_spearman,
    triplet_success,
)
from answerspace.protocols import Encoder
from answerspace.similarity import cosine

Answer = Callable[[Sequence[str], str], Array]  # distinct texts, question -> vectors


@dataclass(frozen=True)
class Triplets:
    """Texts that one question should bring together and part: (anchor, positive, negative), ``each`` per item."""

    question: str
    anchors: list[str]
    positives: list[str]
    negatives: list[str]
    each: int = 2  # consecutive triplets that come from one item and are resampled together


@dataclass(frozen=True)
class Pair:
    """Two sentences that differ under ``q_diff`` and agree under ``q_same``."""

    s1: str
    s2: str
    q_diff: str
    q_same: str


@dataclass(frozen=True)
class Clusters:
    """Texts that, under the question, should fall into groups by ``labels``."""

    name: str
    question: str
    texts: list[str]
    labels: list[str]


def vectors_of(encoder: Encoder, texts: Sequence[str], question: str) -> Array:
    """(n, d) vectors; equal texts are encoded once."""
    distinct = list(dict.fromkeys(texts))
    place = {text: i for i, text in enumerate(distinct)}
    vectors = np.asarray(encoder.encode(distinct, instruction=question))
    if vectors.ndim != 2 or len(vectors) != len(distinct):
        raise InputError(
            f"An encoder must give one vector per text. Got shape {vectors.shape} for {len(distinct)} texts."
        )
    return np.asarray(vectors[[place[text] for text in texts]], np.float32)


def run_triplets(encoder: Encoder, task: Triplets, *, centre: bool = False) -> npt.NDArray[np.bool_]:
    """(items, each) True where a triplet succeeds. ``centre`` takes the mean over all the task's texts out."""
    texts = task.anchors + task.positives + task.negatives
    vectors = vectors_of(encoder, texts, task.question)
    if centre:
        distinct = sorted({text: i for i, text in enumerate(texts)}.values())
        mean = vectors[distinct].mean(0)
        vectors = vectors - mean
    anchors, positives, negatives = np.split(vectors, 3)
    return triplet_success(anchors, positives, negatives).reshape(-1, task.each)


def triplet_scores(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> tuple[Score, Score, Score]:
    """Success rates of two opposed tasks over the same items and their harmonic mean, each x 100."""
    n = len(first)
    return (
        bootstrap(lambda rows: 100 * harmonic_mean(first[rows].mean(), second[rows].mean()), n),
        bootstrap(lambda rows: 100 * float(first[rows].mean()), n),
        bootstrap(lambda rows: 100 * float(second[rows].mean()), n),
    )


def run_pairs(encoder: Encoder, pairs: Sequence[Pair]) -> Score:
    """Spearman x 100 over the pairs. A question is asked of a few sentences only, so nothing can be centred."""
    asked: dict[str, list[tuple[int, int]]] = {}
    for i, pair in enumerate(pairs):
        asked.setdefault(pair.q_diff, []).append((i, 0))
        asked.setdefault(pair.q_same, []).append((i, 1))
    cosines: Numbers = np.zeros((len(pairs), 2))
    for question, places in asked.items():
        sides = [pairs[i].s1 for i, _ in places] + [pairs[i].s2 for i, _ in places]
        left, right = np.split(vectors_of(encoder, sides, question), 2)
        for place, value in zip(places, cosine(left, right), strict=True):
            cosines[place] = value
    return bootstrap(lambda rows: pair_spearman(cosines[rows, 0], cosines[rows, 1]), len(pairs))


def run_clusters(encoder: Encoder, task: Clusters, *, seeds: int = 10, centre: bool = False) -> Numbers:
    """(seeds,) V-measure x 100. ``centre`` clusters the vectors as the command line does (``clustering_space``)."""
    vectors = vectors_of(encoder, task.texts, task.question)
    return clustering_scores(clustering_space(vectors) if centre else vectors, task.labels, seeds=seeds)
