"""A reading: what was read of a corpus's texts, in memory or on disk, to be asked as often as wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from answerspace.aggregation import Aggregation
from answerspace.answer_filter import AnswerFilter
from answerspace.answers import Array, Sampling
from answerspace.batches import Gather
from answerspace.questioning import (
    Answerer,
    Asked,
    Questioning,
    checked_question,
    questions_of,
    stacked,
)


class Parts(Protocol):
    """The batches of a reading: in memory, or on disk."""

    @property
    def fingerprint(self) -> str | None:
        """Of what the states are, where they are not to the last bit the model's own."""
        ...

    def __len__(self) -> int: ...

    def parts(self) -> Iterator[tuple[list[int], Callable[[], Any]]]:
        """(numbers of the distinct texts, what gives the batch that was read of them) of each batch."""
        ...


class HeldParts:
    """Batches in memory."""

    fingerprint: str | None = None

    def __init__(self, held: list[tuple[list[int], Any]]) -> None:
        self._held = held

    def __len__(self) -> int:
        return len(self._held)

    def parts(self) -> Iterator[tuple[list[int], Callable[[], Any]]]:
        """As ``Parts.parts``."""
        for batch, read in self._held:
            yield batch, lambda read=read: read  # type: ignore[misc]


class Reading:
    """What was read of n texts, in memory or on disk. Every question asked of it skips the reading.

    ``distinct`` are its distinct texts; ``places`` (n,) says which of them row i is, -1 for a row of a file that
    holds no text (it gets a zero vector and an empty answer).
    """

    def __init__(self, model: Answerer, distinct: Sequence[str], places: np.ndarray, parts: Parts) -> None:
        self.distinct = distinct
        self.places = places
        self._model = model
        self._parts = parts

    @classmethod
    def open(cls, path: str | Path, embedder: Answerer) -> Reading:
        """The same as ``embedder.open_reading(path)``."""
        from answerspace.reading_file.reader import ReadingFile  # late: it needs safetensors

        file = ReadingFile(path, embedder.backbone)
        return cls(embedder, file.distinct, file.inverse, file)

    @property
    def texts(self) -> list[str]:
        """The n texts, "" for a row without one."""
        distinct = list(self.distinct)
        return ["" if i < 0 else distinct[i] for i in self.places.tolist()]

    def __len__(self) -> int:
        return len(self.places)

    def save(self, path: str | Path, name: str = "texts") -> None:
        """Write the reading to a folder, or add it to the reading that is there, with states of 8 bits.

        A causal model's reading is exact in memory and rounded on disk (docs/guide.md says what that costs).
        Backbones that attend both ways have no states; their file holds the texts.
        """
        from answerspace.reading_file.writer import save_reading  # late: it needs safetensors

        batches = (([self.distinct[i] for i in batch], load()) for batch, load in self._parts.parts())
        save_reading(path, self._model.backbone, self.texts, batches, name)

    def ask(
        self,
        instruction: str | Sequence[str],
        *,
        aggregation: Aggregation | None = None,
        layer: int | None = None,
        normalize: bool | None = None,
        answer_filter: AnswerFilter | None = None,
        answer_tokens: int | None = None,
        show_progress: bool = False,
    ) -> Array:
        """Vectors (n, d) under an instruction, or (q, n, d) under a list; the arguments are those of ``encode``."""
        questioning = Questioning.of(
            self._model, aggregation, layer, normalize, answer_filter, answer_tokens, words=False
        )
        asked = self._run(questions_of(instruction), questioning, show_progress)
        return stacked(asked, instruction, len(self), self._model.backbone.dimension)

    def ask_and_answer(
        self,
        instructions: Sequence[str],
        *,
        aggregation: Aggregation | None = None,
        layer: int | None = None,
        normalize: bool | None = None,
        answer_filter: AnswerFilter | None = None,
        answer_tokens: int | None = None,
        show_progress: bool = False,
    ) -> list[Asked]:
        """Vectors and answers in words, one Asked per instruction; each batch is taken from the disk once."""
        questioning = Questioning.of(
            self._model, aggregation, layer, normalize, answer_filter, answer_tokens, words=True
        )
        return self._run(questions_of(instructions), questioning, show_progress)

    def answer(
        self,
        instruction: str,
        *,
        sampling: Sampling | None = None,
        answer_tokens: int | None = None,
        show_progress: bool = False,
    ) -> list[str]:
        """The answers in words, one per text; an answer may be empty."""
        questioning = Questioning.of(self._model, normalize=False, answer_tokens=answer_tokens, words=True)
        asked = self._run([checked_question(instruction)], questioning.for_words(sampling), show_progress)
        return asked[0].answers

    def _run(self, questions: list[str], questioning: Questioning, show_progress: bool) -> list[Asked]:
        questioning = replace(questioning, fingerprint=self._parts.fingerprint)
        cached = questioning.cache is not None
        gathered = [Gather(len(self.distinct), questioning.folder) for _ in questions]
        with questioning.flushing():
            for batch, load in self._tracked() if show_progress else self._parts.parts():
                texts = [self.distinct[i] for i in batch] if cached else []
                read = None
                for question, gather in zip(questions, gathered, strict=True):
                    known = questioning.known(texts, question) if cached else None
                    if known is not None:
                        gather.put(batch, *known)
                        continue
                    read = load() if read is None else read
                    made = questioning.ask(read, [question] * len(batch))
                    questioning.keep(texts, question, *made)
                    gather.put(batch, *made)
        return [
            Asked(question, *gather.result(self.places, questioning.backbone.dimension, questioning.normalize))
            for question, gather in zip(questions, gathered, strict=True)
        ]

    def _tracked(self) -> Iterator[tuple[list[int], Callable[[], Any]]]:
        from answerspace.progress import track  # late: it needs rich

        return track(self._parts.parts(), "asking", len(self._parts))
