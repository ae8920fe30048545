"""Our embedder in one variation of a sweep: a layer, an aggregation, the filter on or off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from answerspace.aggregation import Aggregation
from answerspace.answer_filter import AnswerFilter
from answerspace.answers import Array
from answerspace.embedder import DEFAULT_BATCH, Embedder


class EmbedderVariation:
    """An Embedder with some of its settings fixed; several questions share one reading of the texts."""

    def __init__(
        self,
        embedder: Embedder,
        *,
        layer: int | None = None,
        aggregation: Aggregation | None = None,
        answer_filter: AnswerFilter | None = None,
        batch_size: int = DEFAULT_BATCH,
    ) -> None:
        self.embedder = embedder
        self.options: dict[str, Any] = {
            "layer": layer,
            "aggregation": aggregation,
            "answer_filter": answer_filter,
            "batch_size": batch_size,
        }

    def encode(self, texts: Sequence[str], *, instruction: str) -> Array:
        """(n, d) vectors."""
        return self.embedder.encode(texts, instruction, **self.options)

    def encode_many(self, texts: Sequence[str], instructions: Sequence[str]) -> Array:
        """(q, n, d) vectors from one reading."""
        return self.embedder.encode(texts, list(instructions), **self.options)

    def encode_paired(self, texts: Sequence[str], instructions: Sequence[str]) -> Array:
        """(n, d) vectors, text i under instruction i."""
        return self.embedder.encode(texts, list(instructions), paired=True, **self.options)
