"""Words read off a model's head: what a state, or a difference of mean states, is about to say.

Contrast decoding is the InBedder authors' explanation of clusters (published code only, not in the paper): the mean
state of a cluster minus that of the corpus, through the head. Token pieces make poor labels, so only tokens that are
whole words in appearance are shown.
"""

from __future__ import annotations

import numpy as np

from answerspace.answers import Array
from answerspace.errors import InputError
from answerspace.protocols import Backbone


def top_words(backbone: Backbone, states: Array, top: int = 20) -> list[list[str]]:
    """(K, D) last-layer states -> for each the ``top`` words with the highest scores, best first.

    A word is a token that begins a word and has at least two characters, all letters; lower-cased, each once. Fewer
    come back when the vocabulary has fewer.
    """
    return _best_words(backbone, backbone.head(_rows(states)), top)


def contrast_words(backbone: Backbone, centres: Array, corpus_mean: Array, top: int = 20) -> list[list[str]]:
    """(K, D) mean states and their corpus mean (D,) -> for each the words whose score rises most against the mean.

    The score is head(centre) - head(mean). For a linear head without bias that is head(centre - mean).
    """
    scores = backbone.head(_rows(centres)) - backbone.head(_rows(corpus_mean))
    return _best_words(backbone, scores, top)


def _rows(states: Array) -> Array:
    return np.atleast_2d(np.asarray(states, np.float32))


def _best_words(backbone: Backbone, scores: Array, top: int) -> list[list[str]]:
    if top < 1:
        raise InputError(f"top must be at least 1. Got {top}.")
    words = [_word(token) for token in backbone.tokens(range(scores.shape[1]))]
    best = []
    for order in np.argsort(-scores, axis=1, kind="stable"):
        found: dict[str, None] = {}
        for token in order:
            word = words[token]
            if word is not None:
                found[word] = None
            if len(found) == top:
                break
        best.append(list(found))
    return best


def _word(token: str) -> str | None:
    """The lower-case word a token is, or None for a piece, a number or a mark.

    >>> [_word(token) for token in (" Food", "ing", " a", " it's")]
    ['food', None, None, None]
    """
    word = token[1:]
    return word.lower() if token.startswith(" ") and len(word) >= 2 and word.isalpha() else None
