"""Arithmetic on vectors: array in, array out."""

from __future__ import annotations

import numpy as np

from answerspace.answers import Array


def unit_rows(vectors: Array) -> Array:
    """Each row (..., d) divided by its length; a zero row stays zero."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0), np.float32)


def cosine(a: Array, b: Array) -> Array:
    """Row-wise cosine of two (n, d) arrays, (n,); 0 where a row is zero."""
    return np.asarray((unit_rows(a) * unit_rows(b)).sum(-1))
