"""Clustering of vectors: labels, centres and the sentence that says how they came about.

A clusterer is a function of CLUSTERERS or any object with scikit-learn's ``fit_predict``. Knows vectors only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.cluster import HDBSCAN, KMeans, MiniBatchKMeans
from sklearn.decomposition import PCA
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    pairwise_distances,
    silhouette_score,
    v_measure_score,
)

from answerspace.answers import Array
from answerspace.disk_arrays import distinct_rows, pieces, room_for
from answerspace.errors import InputError
from answerspace.similarity import unit_rows

Labels = npt.NDArray[np.int64]
NOISE = -1
STARTS = 10  # k-means starts: single starts differ by several points of V-measure
MINI_BATCH_FROM = 50_000  # rows from which k-means looks at mini-batches
AUTO_SAMPLE = 2_000  # rows on which the number of clusters is chosen
AUTO_CANDIDATES = (*range(2, 11), 12, 14, 16, 18, 20)  # more than twenty groups are not read by anyone
AUTO_TOLERANCE = 0.02  # scores of single k-means runs move by as much, and fewer groups are easier to read
HDBSCAN_DIMENSIONS = 20  # density means little in hundreds of dimensions


@dataclass(frozen=True)
class Clustering:
    """``labels`` (n,): 0 is the largest cluster, -1 noise. ``centres`` (K, d): unit vectors. ``method``: a sentence."""

    labels: Labels
    centres: Array
    method: str


def clustering_space(vectors: Array, *, centre: bool = True) -> Array:
    """(n, d) vectors as they are clustered and drawn: unit length, the mean taken out, unit length again.

    All answers to one question share a large common part; without it the cosine between two of them says how they
    differ. The last step matters: k-means does not notice a shift on its own. Identical rows stay as they are.
    """
    rows = room_for(vectors.shape)
    total = np.zeros(vectors.shape[1])
    for piece in pieces(len(rows)):
        rows[piece] = unit_rows(np.asarray(vectors[piece], np.float32))
        total += rows[piece].sum(0, dtype=np.float64)
    if not centre or len(rows) == 0:
        return rows
    mean = (total / len(rows)).astype(np.float32)
    longest = max(float(np.linalg.norm(rows[piece] - mean, axis=1).max()) for piece in pieces(len(rows)))
    if longest < 1e-4:  # one answer for all: what is left is rounding
        return rows
    for piece in pieces(len(rows)):
        shifted = rows[piece] - mean
        lengths = np.linalg.norm(shifted, axis=1, keepdims=True)
        rows[piece] = np.where(lengths > 1e-4, unit_rows(shifted), 0)
    return rows


def cluster_vectors(
    vectors: Array,
    clusters: int | Literal["auto"] = "auto",
    *,
    method: Any = "kmeans",
    seed: int = 0,
    answers: Sequence[str] | None = None,
) -> Clustering:
    """Group (n, d) vectors into ``clusters`` groups, or as many as the method finds good with "auto".

    ``method`` is a key of CLUSTERERS or an object with ``fit_predict`` (then ``clusters`` is its own affair).
    ``answers`` in words, one per row, help "auto" to choose (see ``choose_clusters``). Fewer groups come out when
    there are fewer distinct vectors than asked for. Raises InputError for fewer texts than clusters.
    """
    check_clusters(clusters, method if isinstance(method, str) else "kmeans")
    n = len(vectors)
    if clusters != "auto" and n < clusters:
        raise InputError(
            f"There must be at least as many texts as clusters. Got {n:,} text{'' if n == 1 else 's'} for {clusters} "
            "clusters; give a smaller --clusters."
        )
    vectors = np.asarray(vectors, np.float32)
    if isinstance(method, str):
        labels, sentence = CLUSTERERS[method](vectors, clusters, seed, answers)
    else:
        labels, sentence = np.asarray(method.fit_predict(vectors)), f"{type(method).__name__}."
    labels = by_size(labels)
    return Clustering(labels, unit_rows(cluster_means(vectors, labels)), sentence)


def check_clusters(clusters: int | str, method: str) -> None:
    """Raise InputError unless the number of clusters and the method's name make sense together."""
    if method not in CLUSTERERS:
        raise InputError(f"--method must be one of {', '.join(CLUSTERERS)}. Got {method!r}.")
    if clusters == "auto":
        return
    if isinstance(clusters, str) or clusters < 2:
        raise InputError(f"--clusters must be a whole number of at least 2, or auto. Got {clusters}.")
    if method == "hdbscan":
        raise InputError(f"hdbscan finds the number of clusters itself. Got --clusters {clusters}; leave it out.")


def by_size(labels: npt.NDArray[Any]) -> Labels:
    """Labels renumbered so that 0 is the largest group (first met wins a tie); negative ones become noise."""
    found, first, counts = np.unique(labels, return_index=True, return_counts=True)
    kept = [i for i in np.lexsort((first, -counts)) if found[i] >= 0]
    places = {found[i]: place for place, i in enumerate(kept)}
    return np.array([places.get(label, NOISE) for label in labels], np.int64)


def cluster_means(vectors: Array, labels: Labels) -> Array:
    """(K, d) mean vector of each cluster 0..K-1, without the noise."""
    count = int(labels.max(initial=-1)) + 1
    sums = np.zeros((count, vectors.shape[1]))
    for piece in pieces(len(vectors)):
        members = labels[piece] == np.arange(count)[:, None]  # (K, rows)
        sums += members.astype(np.float64) @ vectors[piece]
    sizes = np.bincount(labels[labels >= 0], minlength=count)
    return np.asarray(sums / np.maximum(sizes, 1)[:, None], np.float32)


def agreement_scores(labels: Labels, gold: Sequence[str]) -> dict[str, float]:
    """V-measure and adjusted Rand index against gold labels; rows whose gold label is "" do not count.

    Noise counts as one more group. Empty when fewer than two rows have a gold label.
    """
    known = np.array([bool(one) for one in gold], bool)
    if known.sum() < 2:
        return {}
    truth = np.array(gold)[known]
    return {
        "v_measure": float(v_measure_score(truth, labels[known])),
        "ari": float(adjusted_rand_score(truth, labels[known])),
    }


# --- clusterers: (vectors, clusters, seed, answers) -> (labels, sentence) ----------------------------------------


def _kmeans(
    vectors: Array, clusters: int | Literal["auto"], seed: int, answers: Sequence[str] | None
) -> tuple[Labels, str]:
    distinct = _count_distinct(vectors)
    if clusters == "auto":
        count, why = choose_clusters(vectors, distinct, seed, answers=answers)
    elif distinct < clusters:
        count, why = distinct, f"not {clusters}, because there are no more distinct vectors"
    else:
        count, why = clusters, "as asked"
    if count < 2:
        return np.zeros(len(vectors), np.int64), f"One cluster: {why}."
    return _fitted(vectors, count, seed), f"{_kmeans_name(len(vectors))} with {count} clusters ({why})."


def _kmeans_name(n: int) -> str:
    return "Mini-batch k-means" if n >= MINI_BATCH_FROM else "K-means"


def _fitted(vectors: Array, clusters: int, seed: int, starts: int = STARTS) -> Labels:
    if len(vectors) >= MINI_BATCH_FROM:
        model = MiniBatchKMeans(clusters, n_init=starts, random_state=seed, batch_size=4096)
    else:
        model = KMeans(clusters, n_init=starts, random_state=seed)
    return np.asarray(model.fit_predict(vectors), np.int64)


def choose_clusters(
    vectors: Array, distinct: int, seed: int = 0, most: int = AUTO_SAMPLE, *, answers: Sequence[str] | None = None
) -> tuple[int, str]:
    """The best number of clusters among AUTO_CANDIDATES, and the words that say how it was found.

    With answers in words: the number whose clusters agree best with them, by adjusted mutual information, which does
    not grow with the number alone (docs/log.md compares it with the silhouette). Without, or where the answers are
    all equal or all different: the mean silhouette. Looks at up to ``most`` rows; the smallest number is taken whose
    score is within AUTO_TOLERANCE of the highest.
    """
    if distinct < 3:
        same = "all answers have the same vector" if distinct == 1 else "there are only two distinct vectors"
        return distinct, same
    n = len(vectors)
    rows = np.sort(np.random.default_rng(seed).choice(n, most, replace=False)) if n > most else np.arange(n)
    sample = vectors[rows]
    score, how = _judge(sample, None if answers is None else [answers[i].lower() for i in rows])
    limit = min(_count_distinct(sample), len(sample) - 1)
    scores: dict[int, float] = {}
    for candidate in AUTO_CANDIDATES:
        if candidate <= limit:
            labels = KMeans(candidate, n_init=3, random_state=seed).fit_predict(sample)
            scores[candidate] = score(labels)
    if not scores:
        return min(distinct, 2), "too few distinct vectors to compare"
    best = min(k for k in scores if scores[k] >= max(scores.values()) - AUTO_TOLERANCE)
    where = f"{len(sample):,} of {n:,} texts" if len(sample) < n else f"{n:,} texts"
    return best, f"chosen from {min(scores)} to {max(scores)} by {how}, {scores[best]:.2f} on {where}"


def _judge(sample: Array, answers: list[str] | None) -> tuple[Callable[[Labels], float], str]:
    """What makes one number of clusters better than another, and its name."""
    if answers is not None and 1 < len(set(answers)) < len(answers):
        return lambda labels: float(adjusted_mutual_info_score(answers, labels)), "agreement with the answers in words"
    distances = pairwise_distances(sample)
    return lambda labels: float(silhouette_score(distances, labels, metric="precomputed")), "mean silhouette"


def _count_distinct(vectors: Array) -> int:
    return len(distinct_rows(vectors)[0])


def _hdbscan(
    vectors: Array, clusters: int | Literal["auto"], seed: int, answers: Sequence[str] | None
) -> tuple[Labels, str]:
    n = len(vectors)
    if n < 4:
        return np.full(n, NOISE, np.int64), f"HDBSCAN needs at least 4 texts; all {n} are noise."
    dimensions = min(HDBSCAN_DIMENSIONS, vectors.shape[1], n - 1)
    varies = bool(np.ptp(vectors, axis=0).max() > 0)
    reduced = PCA(dimensions, random_state=seed).fit_transform(vectors) if varies else vectors
    smallest = min(max(5, n // 100), n // 2)
    labels = np.asarray(HDBSCAN(min_cluster_size=smallest, copy=True).fit_predict(reduced), np.int64)
    count = int(labels.max(initial=-1)) + 1
    noise = int((labels < 0).sum())
    sentence = (
        f"HDBSCAN on {dimensions} principal components found {count} cluster{'' if count == 1 else 's'} of at least "
        f"{smallest} texts and left {noise:,} of {n:,} texts as noise."
    )
    return labels, sentence


Clusterer = Callable[[Array, int | Literal["auto"], int, Sequence[str] | None], tuple[Labels, str]]
CLUSTERERS: dict[str, Clusterer] = {
    "kmeans": _kmeans,
    "hdbscan": _hdbscan,
}
