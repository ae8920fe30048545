"""The shapes other rooms rely on: any object with these methods will do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from answerspace.answers import Answered, Array, Asking


@runtime_checkable
class Encoder(Protocol):
    """Texts and an instruction in, (n, d) vectors out. Ours, a sentence-transformers baseline or a fake."""

    def encode(self, texts: Sequence[str], *, instruction: str) -> Array:
        """(n, d) vectors of n texts under an instruction."""
        ...


class Engine(Protocol):
    """Runs one network: named arrays in, named arrays out (all, or the ones named). Knows token ids, not texts."""

    def run(self, inputs: Mapping[str, np.ndarray], outputs: list[str] | None = None) -> dict[str, np.ndarray]:
        """The outputs by name."""
        ...


class Backbone(Protocol):
    """How a model is asked. ``read`` sees the text alone; ``ask`` puts a question to what was read.

    A batch is a list of texts handed to one ``read`` call; what ``read`` returns is opaque and is given back to
    ``ask`` unchanged, as often as wanted, with one instruction per text.

    A backbone may also have ``read_to_ask`` (as ``read``, without what no question looks at), ``ask_many`` (several
    questions in one pass) and ``embed`` (vectors without a question); they are used where they are there.
    """

    kind: str  # "masked", "causal", "seq2seq", "bundled", "fake"
    layers: int  # number of blocks; layer 0 is the embedding output
    dimension: int
    max_length: int  # the most tokens of a text, or of a prompt with its template, that it reads

    @property
    def fingerprint(self) -> str:
        """Changes when the weights or anything else that changes the vectors does."""
        ...

    def read(self, texts: Sequence[str]) -> Any:
        """Whatever of a batch of texts does not depend on the question."""
        ...

    def ask(self, read: Any, instructions: Sequence[str], asking: Asking) -> Answered:
        """One question per text of the batch that was read."""
        ...

    def head(self, states: Array) -> Array:
        """(K, D) last-layer states -> (K, V) scores over the vocabulary."""
        ...

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """The text of each token on its own; a leading space marks the start of a word."""
        ...

    def token_ids(self, text: str) -> list[int]:
        """Ids of a text inside a sentence, without special tokens."""
        ...
