"""A backbone with no model in it, for tests and for trying out the rest of the package.

Every number it gives can be worked out by hand: a token is a word, its id comes from a fixed hash, its vector has
a one at ``id % dimension``. The answer to a question is the text's words that stand in a small answer table under
that question, else the text's first word. So texts that share an answer share a vector, as with a real model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from answerspace.answers import Answered, Array, Asking


def word_id(word: str, vocabulary: int) -> int:
    """A number in [0, vocabulary) that depends on the lower-case word alone."""
    return int.from_bytes(hashlib.blake2b(word.lower().encode(), digest_size=4).digest(), "big") % vocabulary


class FakeBackbone:
    """``answers`` maps a question to {word in the text: answer}. Counts its calls in ``reads`` and ``asks``."""

    kind = "fake"
    layers = 2
    max_length = 1_000_000

    def __init__(self, answers: Mapping[str, Mapping[str, str]] | None = None, dimension: int = 64) -> None:
        self.dimension = dimension
        self.table = {question: dict(rows) for question, rows in (answers or {}).items()}
        self.fingerprint = f"fake-{dimension}-{word_id(repr(sorted(self.table)), 2**31)}"
        self.reads = 0
        self.asks = 0
        self._words: dict[int, str] = {}

    def read(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of each text."""
        self.reads += 1
        return [text.split() for text in texts]

    def ask(self, read: list[list[str]], instructions: Sequence[str], asking: Asking) -> Answered:
        """Words as states: text and question first, then the answer."""
        self.asks += 1
        rows = [self._row(words, question) for words, question in zip(read, instructions, strict=True)]
        longest = max(len(prompt) + len(answer) for prompt, answer in rows)
        shape = (len(rows), longest)
        states = np.zeros((*shape, self.dimension), np.float32)
        prompt_mask, slot_mask = np.zeros(shape, bool), np.zeros(shape, bool)
        predicted = np.full(shape, -1, np.int64)
        for i, (prompt, answer) in enumerate(rows):
            for t, word in enumerate(prompt + answer):
                states[i, t, self._id(word)] = 1 + asking.layer % (self.layers + 1)
                prompt_mask[i, t] = t < len(prompt)
                slot_mask[i, t] = t >= len(prompt)
                predicted[i, t] = self._id(word) if t >= len(prompt) else -1
        answers = [" ".join(answer) for _, answer in rows]
        return Answered(states, prompt_mask, slot_mask, slot_mask.copy(), prompt_mask | slot_mask, predicted, answers)

    def head(self, states: Array) -> Array:
        """A state scores the word ids it has ones at."""
        return np.asarray(states, np.float32)

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """The words that were seen with these ids."""
        return [" " + self._words.get(int(i), f"word{int(i)}") for i in ids]

    def token_ids(self, text: str) -> list[int]:
        """One id a word."""
        return [self._id(word) for word in text.split()]

    def _row(self, words: list[str], question: str) -> tuple[list[str], list[str]]:
        table = self.table.get(question, {})
        answer = next((table[w] for w in words if w in table), words[0] if words else "nothing")
        return words + question.split(), answer.split()

    def _id(self, word: str) -> int:
        index = word_id(word, self.dimension)
        self._words.setdefault(index, word)
        return index
