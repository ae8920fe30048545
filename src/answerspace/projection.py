"""Projection of vectors to the plane, for looking at: near in the picture means near in cosine.

t-SNE places a bounded number of distinct vectors, the landmarks; any more are placed beside their nearest landmarks,
so the time grows linearly. Maps of one corpus under several questions are turned to match the first, so the eye can
follow a text.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from answerspace.answers import Array
from answerspace.disk_arrays import distinct_rows
from answerspace.similarity import unit_rows

Plane = npt.NDArray[np.floating[Any]]  # (n, 2)
LANDMARKS = 2_000
NEIGHBOURS = 3  # landmarks that a further point is placed by
PERPLEXITY = 30.0
TSNE_FROM = 12  # fewer distinct vectors are drawn by their principal components
PILE = 0.012  # distance between texts that share a place; a map has radius 1
GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))


def project(vectors: Array, *, seed: int = 0, landmarks: int = LANDMARKS) -> npt.NDArray[np.float32]:
    """(n, d) vectors to (n, 2) positions, centred with root-mean-square radius 1; the same again for the same seed.

    Equal vectors lie in a tight spiral around one place, so that their number can be seen.
    """
    first, inverse = distinct_rows(np.asarray(vectors, np.float32))
    positions = _placed(vectors, first, seed, landmarks) if len(first) else np.zeros((0, 2))
    return np.asarray(_normalised(positions)[inverse] + _piles(inverse), np.float32)


def align(positions: Array, reference: Array) -> npt.NDArray[np.float32]:
    """Turn or mirror (n, 2) positions about their mean to lie closest to the reference (orthogonal Procrustes).

    Row i of both is the same text. The shape of the map does not change.
    """
    if len(positions) == 0:
        return np.asarray(positions, np.float32)
    centred = positions - positions.mean(0)
    left, _, right = np.linalg.svd(centred.T.astype(np.float64) @ (reference - reference.mean(0)))
    return np.asarray(centred @ (left @ right) + reference.mean(0), np.float32)


def _placed(vectors: Array, first: npt.NDArray[np.intp], seed: int, most: int) -> Plane:
    """Positions of the m distinct rows of (n, d) vectors that stand at ``first``."""
    m = len(first)
    if m < TSNE_FROM:
        return _principal(_unit(vectors, first))
    if m <= most:
        return _tsne(_unit(vectors, first), seed)
    chosen = np.sort(np.random.default_rng(seed).choice(m, most, replace=False))
    landmarks = _unit(vectors, first[chosen])
    places = _tsne(landmarks, seed)
    positions = np.zeros((m, 2), places.dtype)
    for at in range(0, m, 4096):
        positions[at : at + 4096] = _beside(_unit(vectors, first[at : at + 4096]), landmarks, places)
    positions[chosen] = places
    return positions


def _unit(vectors: Array, places: npt.NDArray[np.intp]) -> Array:
    return unit_rows(np.asarray(vectors[places], np.float32))


def _tsne(rows: Array, seed: int) -> Plane:
    perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
    reduced = _principal(rows, 50)
    start = reduced[:, :2] / max(float(reduced[:, 0].std()), 1e-12) * 1e-4
    model = TSNE(perplexity=perplexity, init=start.astype(np.float32), random_state=seed, max_iter=500)
    with threadpool_limits(1, user_api="openmp"):  # sums in a fixed order: the same map on every machine size
        return np.asarray(model.fit_transform(reduced.astype(np.float32)))


def _beside(rows: Array, landmarks: Array, places: Plane) -> Plane:
    """Each row at the mean of its nearest landmarks' places, weighted by the inverse fourth power of distance.

    The steep weight keeps a point on its nearest island instead of in the sea between two.
    """
    squared = np.maximum(2 - 2 * rows @ landmarks.T, 1e-6)
    nearest = np.argpartition(squared, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    weights = np.take_along_axis(squared, nearest, axis=1) ** -2
    weights /= weights.sum(1, keepdims=True)
    beside: Plane = (places[nearest] * weights[..., None]).sum(1)
    return beside


def _principal(rows: Array, dimensions: int = 2) -> Plane:
    """Coordinates on the first principal components, with signs fixed; missing components are zero."""
    centred = rows.astype(np.float64) - rows.mean(0, dtype=np.float64)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    coordinates = (left * scale)[:, :dimensions]
    largest = coordinates[np.abs(coordinates).argmax(0), np.arange(coordinates.shape[1])]
    coordinates = coordinates * np.where(largest < 0, -1, 1)
    padded: Plane = np.pad(coordinates, ((0, 0), (0, max(0, 2 - coordinates.shape[1]))))
    return padded


def _normalised(positions: Plane) -> Plane:
    if len(positions) == 0:
        return positions
    centred: Plane = positions - positions.mean(0)
    radius = float(np.sqrt((centred**2).sum(1).mean()))
    return centred / radius if radius > 1e-9 else np.zeros_like(centred)


def _piles(inverse: npt.NDArray[np.intp]) -> Plane:
    """Offsets that spread rows of one place in a sunflower spiral, the first staying in the middle."""
    order = np.argsort(inverse, kind="stable")
    starts = np.searchsorted(inverse[order], inverse[order])
    nth = np.empty(len(inverse))
    nth[order] = np.arange(len(inverse)) - starts
    radius = PILE * np.sqrt(nth)
    return np.column_stack([radius * np.cos(nth * GOLDEN_ANGLE), radius * np.sin(nth * GOLDEN_ANGLE)])
