"""The task embedding of the bundled model: the words that name the task, and the answer to what the task is.

A vector has three parts, each of unit length times its weight:

    pair     the task label's verb and noun together: elementwise products of two random sign projections, so that the
             cosine of two pairs is close to (cosine of the verbs) x (cosine of the nouns). Tasks are alike when both
             words are: write|story is near draft|tale, and neither near write|poem nor read|story.
    words    the verb and the noun side by side: what is left of a likeness in one of them.
    answer   the model's answer to "What task does this instruction ask for?"

A word's vector is the model's own embedding of the word less the mean over common words. It embeds any instruction,
seen before or not; nothing is fitted to the instructions embedded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from answerspace.answers import Array
from answerspace.embedder import DEFAULT_BATCH, Embedder
from answerspace.instructions.benchmark_run import QUESTION
from answerspace.instructions.english import EnglishExtractor
from answerspace.instructions.task_labels import Extractor
from answerspace.similarity import unit_rows

PAIR = 1024  # random products; the error of a cosine is about 1 / sqrt(PAIR)
# The mean vector of these is taken out of every word's meaning: what all words share says nothing.
COMMON = (
    "write create make find list name describe explain give tell answer read change choose count compare translate "
    "summarize sort plan draw fix check build story poem sentence word question number title text "
    "person animal country city food recipe book movie song problem reason example idea topic type step rule game "
    "letter email code function table image product price date time place event difference advantage opinion"
)


@dataclass(frozen=True)
class Weights:
    """How much each part counts; the squares are shares of a cosine."""

    pair: float = 1.0
    words: float = 0.3
    answer: float = 0.5


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
        verbs = self.word_vectors([label.verb for label in labels])
        nouns = self.word_vectors([label.noun for label in labels])
        answers = self.embedder.encode(
            list(texts), instruction or QUESTION, batch_size=self.batch_size, show_progress=show_progress
        )
        return join_parts(verbs, nouns, answers, self.weights)

    def word_vectors(self, words: Sequence[str]) -> Array:
        """(n, d) unit vectors of words."""
        new = [word for word in dict.fromkeys(words) if word not in self._words]
        if new:
            self._words.update(zip(new, unit_rows(self._meanings(new) - self._common), strict=True))
        if not words:
            return np.zeros((0, self.embedder.dimension), np.float32)
        return np.stack([self._words[word] for word in words])

    @cached_property
    def _common(self) -> Array:
        return np.asarray(self._meanings(COMMON.split()).mean(0), np.float32)

    def _meanings(self, words: Sequence[str]) -> Array:
        """The bundled model embeds a word without a question; any other has to be asked."""
        question = None if self.embedder.backbone.kind == "bundled" else "What does this word mean?"
        return self.embedder.encode(list(words), question, batch_size=4 * self.batch_size)


def join_parts(verbs: Array, nouns: Array, answers: Array, weights: Weights) -> Array:
    """(n, d) unit vectors from the vectors of n verbs (n, w), nouns (n, w) and answers (n, a)."""
    pair = pair_vectors(verbs, nouns)
    words = unit_rows(np.concatenate([verbs, nouns], 1))
    parts = [weights.pair * pair, weights.words * words, weights.answer * unit_rows(answers)]
    return unit_rows(np.concatenate(parts, 1).astype(np.float32))


def pair_vectors(verbs: Array, nouns: Array, dimensions: int = PAIR) -> Array:
    """(n, dimensions) unit vectors; their cosines approach the products of the verbs' and the nouns' cosines."""
    rng = np.random.default_rng(0)
    left, right = (rng.choice([-1.0, 1.0], (verbs.shape[1], dimensions)) for _ in range(2))
    return unit_rows(np.asarray((verbs @ left) * (nouns @ right), np.float32))
