"""Questioning: how questions are put to batches that were read, and what a cache knows of their answers.

One ``Questioning`` is one call's settings, checked, on one model. It sees batches, never a corpus: which texts there
are, and in what order, is the embedder's and the reading's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import numpy as np

from answerspace.aggregation import Aggregation, Reencode, needs_prompt_states, resolve_aggregation
from answerspace.answer_filter import AnswerFilter
from answerspace.answers import Answered, Array, Asking, Mask, Sampling
from answerspace.batches import Gather
from answerspace.disk_arrays import pieces
from answerspace.errors import InputError
from answerspace.protocols import Backbone
from answerspace.settings import Settings
from answerspace.vector_cache import VectorCache, scope_of

TOGETHER = 16  # questions in one pass, where a backbone takes several: its mask grows with their square


class Asked(NamedTuple):
    """One question over n texts: ``vectors`` (n, d) float32 and the ``answers`` in words (n)."""

    instruction: str
    vectors: Array
    answers: list[str]


class Answerer(Protocol):
    """What questions can be put to, such as an Embedder: a backbone, its settings and a cache."""

    backbone: Backbone
    settings: Settings
    cache: VectorCache | None


@dataclass(frozen=True)
class Questioning:
    """One call's worth of settings, checked, on one backbone and its cache."""

    backbone: Backbone
    cache: VectorCache | None
    aggregate: Callable[[Answered], Array]
    reencode: Reencode | None
    asking: Asking
    answer_filter: AnswerFilter | None
    normalize: bool
    fingerprint: str | None = None  # of the states, where they are not to the last bit the backbone's own

    @classmethod
    def of(
        cls,
        model: Answerer,
        aggregation: Aggregation | None = None,
        layer: int | None = None,
        normalize: bool | None = None,
        answer_filter: AnswerFilter | None = None,
        answer_tokens: int | None = None,
        *,
        words: bool,
    ) -> Questioning:
        """A call's arguments, checked and completed by the model's settings; ``words``: answers are wanted."""
        s = model.settings
        layer = checked_layer(s.layer if layer is None else layer, model.backbone.layers)
        chosen = s.aggregation if aggregation is None else aggregation
        aggregate, reencode, needs_answer = resolve_aggregation(chosen, s.convention, model.backbone.kind)
        wanted = s.answer_tokens if answer_tokens is None else answer_tokens
        words = words or reencode is not None or answer_filter is not None
        if not (needs_answer or words):
            wanted = 0  # the state that predicts the first answer token needs no generation
        prompt_states = reencode is None and needs_prompt_states(aggregate)
        asking = Asking(layer=layer, answer_tokens=wanted, prompt_states=prompt_states, words=words)
        normalize = s.normalize if normalize is None else normalize
        return cls(model.backbone, model.cache, aggregate, reencode, asking, answer_filter, normalize)

    def for_words(self, sampling: Sampling | None) -> Questioning:
        """The same for answers in words alone: vectors have no columns."""
        return replace(self, aggregate=_no_vector, reencode=None, asking=replace(self.asking, sampling=sampling))

    # --- a batch -------------------------------------------------------------------------------------------------

    def ask_each(self, read: Any, questions: list[str], rows: int) -> Iterator[tuple[Array, list[str]]]:
        """Vectors and answers of a batch under each question; in one pass over several where the backbone has that."""
        many = getattr(self.backbone, "ask_many", None)
        if self.reencode is not None or self.answer_filter is not None:
            many = None
        for start in range(0, len(questions), TOGETHER):
            some = questions[start : start + TOGETHER]
            answered = many(read, some, self.asking) if many is not None and len(some) > 1 else None
            if answered is None:
                yield from (self.ask(read, [question] * rows) for question in some)
            else:
                yield from ((self.aggregate(one), one.answers) for one in answered)

    def ask(self, read: Any, questions: list[str]) -> tuple[Array, list[str]]:
        """Vectors and answers of a batch, one question for each of its texts."""
        if self.reencode is not None:
            return self._ask_reencoded(read, questions, self.reencode)
        answered = self.backbone.ask(read, questions, self.asking)
        if self.answer_filter is not None:
            answered = self.answer_filter.narrow(answered, questions, self.backbone)
        return self.aggregate(answered), answered.answers

    def _ask_reencoded(self, read: Any, questions: list[str], reencode: Reencode) -> tuple[Array, list[str]]:
        answers = []
        for sampling in reencode.samplings():
            answered = self.backbone.ask(read, questions, replace(self.asking, sampling=sampling))
            if self.answer_filter is not None:
                answered = self.answer_filter.narrow_words(answered, questions)
            answers.append(answered.answers)
        return reencode.mean(answers), answers[0]

    # --- the cache -------------------------------------------------------------------------------------------------

    @contextmanager
    def flushing(self) -> Iterator[None]:
        """What the block computes is in the cache's file when it ends, well or not."""
        try:
            yield
        finally:
            if self.cache is not None:
                self.cache.flush()

    @property
    def folder(self) -> Path | None:
        """Where vectors that are too many for the memory lie while they are used: beside the cache."""
        return None if self.cache is None else self.cache.path.parent

    def look_up(self, texts: Sequence[str], question: str, gather: Gather) -> Mask:
        """Gather what the cache knows of n texts; the mask (n,) of the rows that it lacks."""
        scope = None if self.cache is None else self._scope(question)
        lacking = np.ones(len(texts), bool)
        if self.cache is None or scope is None:
            return lacking
        for piece in pieces(len(texts)):
            known = self.cache.get(scope, texts[piece])
            lacking[piece] = ~known.found
            gather.put((np.flatnonzero(known.found) + piece.start).tolist(), known.vectors, known.answers)
        return lacking

    def known(self, texts: Sequence[str], question: str) -> tuple[Array, list[str]] | None:
        """Vectors and answers of a batch, if the cache knows all of it."""
        gather = Gather(len(texts))
        if self.look_up(texts, question, gather).any():
            return None
        return gather.result(np.arange(len(texts)), self.backbone.dimension, False)

    def keep(self, texts: Sequence[str], question: str, vectors: Array, answers: list[str]) -> None:
        """Tell the cache what a batch was answered."""
        scope = None if self.cache is None else self._scope(question)
        if self.cache is not None and scope is not None:
            self.cache.put(scope, texts, vectors, answers)

    def _scope(self, question: str) -> bytes | None:
        """The scope in a cache of what is asked so; None where a function that is not ours has a say in it."""
        if self.reencode is not None or not self.aggregate.__module__.startswith("answerspace."):
            return None
        own_length = getattr(self.backbone, "answer_tokens", None)  # what an asking without a number comes to
        asked = (self.aggregate.__module__, self.aggregate.__qualname__, repr(self.asking), repr(self.answer_filter))
        fingerprint = self.fingerprint or self.backbone.fingerprint
        return scope_of(fingerprint, repr(own_length), *asked, question)


# --- questions and what comes back -------------------------------------------------------------------------------


def checked_layer(layer: int, layers: int) -> int:
    """The layer as a non-negative number, or an InputError that names the range."""
    if not -layers - 1 <= layer <= layers:
        raise InputError(f"layer must be between {-layers - 1} and {layers} for this model. Got {layer}.")
    return layer % (layers + 1)


def checked_question(question: str) -> str:
    """The question, or an InputError when there is nothing in it."""
    if not isinstance(question, str) or not question.strip():
        raise InputError(
            f"A question must have at least one word. Got {question!r}; ask for example 'What is being reviewed?'."
        )
    return question


def questions_of(instruction: str | Sequence[str]) -> list[str]:
    """The questions of one instruction or of a list, each checked."""
    return [checked_question(q) for q in ([instruction] if isinstance(instruction, str) else instruction)]


def stacked(asked: Sequence[Asked], instruction: str | Sequence[str], n: int, dimension: int) -> Array:
    """The vectors (n, d) under one instruction, (q, n, d) under a list of q."""
    if isinstance(instruction, str):
        return asked[0].vectors
    return cast(Array, np.stack([one.vectors for one in asked]) if asked else np.zeros((0, n, dimension), np.float32))


def _no_vector(answered: Answered) -> Array:
    return np.zeros((len(answered.answers), 0), np.float32)
