"""The task embedding of the bundled model: the words that name the task, and the answer to what the task is.

A vector is three unit vectors side by side, each with its weight: the verb of the task label, its noun, and the
model's answer to "What task does this instruction ask for?". A word's vector is half its meaning (the model's own
embedding of the word, so "write" lies near "draft") and half its identity (a fixed random direction of its own, so
that two words are never the same). It embeds any instruction, seen before or not; nothing is fitted to a collection.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from answerspace.answers import Array
from answerspace.embedder import DEFAULT_BATCH, Embedder
from answerspace.instructions.benchmark_run import QUESTION
from answerspace.instructions.english import EnglishExtractor
from answerspace.instructions.task_labels import Extractor
from answerspace.similarity import unit_rows

IDENTITY = 256  # dimensions of a word's random direction


@dataclass(frozen=True)
class Weights:
    """How much each part counts: the squares are shares of a cosine. ``identity`` is the share within a word."""

    verb: float = 1.0
    noun: float = 1.0
    answer: float = 0.5
    identity: float = 0.5


class TaskEncoder:
    """An Encoder of instructions by their task, on the bundled model or any other embedder."""

    def __init__(
        self,
        embedder: Embedder | None = None,
        extractor: Extractor | None = None,
        weights: Weights | None = None,
        *,
        batch_size: int = DEFAULT_BATCH,
    ) -> None:
        self.embedder = embedder or Embedder.load()
        self.extractor = extractor or EnglishExtractor()
        self.weights = weights or Weights()
        self.batch_size = batch_size
        self._words: dict[str, Array] = {}

    def encode(self, texts: Sequence[str], *, instruction: str | None = None, show_progress: bool = False) -> Array:
        """(n, d) unit vectors of n instructions. ``instruction`` takes the place of the question."""
        labels = [found[0] for found in self.extractor.labels(texts)]
        answers = self.embedder.encode(
            list(texts), instruction or QUESTION, batch_size=self.batch_size, show_progress=show_progress
        )
        verbs = self.word_vectors([label.verb for label in labels])
        nouns = self.word_vectors([label.noun for label in labels])
        w = self.weights
        return unit_rows(np.concatenate([w.verb * verbs, w.noun * nouns, w.answer * unit_rows(answers)], 1))

    def word_vectors(self, words: Sequence[str]) -> Array:
        """(n, d) unit vectors of words, half meaning and half identity by ``weights.identity``."""
        new = [word for word in dict.fromkeys(words) if word not in self._words]
        if new:
            meanings = self.embedder.encode(new, self._meaning_question, batch_size=self.batch_size)
            share = self.weights.identity
            for word, meaning in zip(new, unit_rows(meanings), strict=True):
                parts = [np.sqrt(1 - share) * meaning, np.sqrt(share) * direction(word)]
                self._words[word] = np.concatenate(parts).astype(np.float32)
        return np.stack([self._words[word] for word in words]) if words else np.zeros((0, 0), np.float32)

    @property
    def _meaning_question(self) -> str | None:
        """The bundled model embeds a word without a question; any other has to be asked."""
        return None if self.embedder.backbone.kind == "bundled" else "What does this word mean?"


def direction(word: str, dimensions: int = IDENTITY) -> Array:
    """(dimensions,) a unit vector that depends on the word alone; those of two words are nearly orthogonal."""
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
    drawn = np.random.default_rng(seed).standard_normal(dimensions)
    return np.asarray(drawn / np.linalg.norm(drawn), np.float32)
