"""The embedder: texts are read once and asked many questions.

Knows backbones by protocol only. Works in batches of texts sorted by length; equal texts are computed once; the
order of the input never matters. It does not know what the vectors are used for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

from answerspace.aggregation import Aggregation, Reencode, needs_prompt_states, resolve_aggregation
from answerspace.answer_filter import AnswerFilter
from answerspace.answers import Answered, Array, Asking, Sampling
from answerspace.batches import Gather, batches_by_length, distinct
from answerspace.errors import InputError
from answerspace.protocols import Backbone
from answerspace.settings import Settings as Settings

T = TypeVar("T")
DEFAULT_BATCH = 32


class Asked(NamedTuple):
    """One question over n texts: ``vectors`` (n, d) float32 and the ``answers`` in words (n)."""

    instruction: str
    vectors: Array
    answers: list[str]


@dataclass(frozen=True)
class _Plan:
    """One question's worth of settings, checked."""

    aggregate: Callable[[Answered], Array]
    reencode: Reencode | None
    asking: Asking
    answer_filter: AnswerFilter | None
    normalize: bool


class Embedder:
    """Embeds texts by the answer they would give to an instruction (InBedder, arXiv 2402.09642).

    ``Embedder.load()`` is the usual way in; the constructor takes any object that follows ``protocols.Backbone``.
    """

    def __init__(self, backbone: Backbone, settings: Settings | None = None) -> None:
        self.backbone = backbone
        self.settings = settings or Settings()

    @classmethod
    def load(cls, name_or_path: str | None = None, **options: Any) -> Embedder:
        """The bundled model (no argument), a folder written by ``save``, a preset, or any hub id or model folder.

        ``options`` are the fields of ``answerspace.loading.LoadOptions``: ``device``, ``dtype``, ``template``,
        ``truncation``, ``max_length``, ``masks``, ``revision``, ``convention``, ``engine``, ...
        Raises ModelError when the name is no model, or an architecture that is not supported.
        """
        from answerspace.loading import load_backbone

        backbone, settings = load_backbone(name_or_path, **options)
        return cls(backbone, settings)

    @property
    def dimension(self) -> int:
        """The length d of a vector."""
        return self.backbone.dimension

    def read(self, texts: Sequence[str], *, batch_size: int = DEFAULT_BATCH, show_progress: bool = False) -> Reading:
        """Read the texts once, so that any number of questions can follow. A reading keeps states in memory."""
        rows = _checked_texts(texts)
        unique, inverse = distinct(rows)
        batches = batches_by_length(unique, batch_size)
        parts = []
        for batch in _progress(batches, "reading", show_progress):
            parts.append((batch, self.backbone.read([unique[i] for i in batch])))
        return Reading(self, rows, inverse, parts)

    def encode(
        self,
        texts: str | Sequence[str],
        instruction: str | Sequence[str] | None,
        *,
        paired: bool = False,
        aggregation: Aggregation | None = None,
        layer: int | None = None,
        normalize: bool | None = None,
        answer_filter: AnswerFilter | None = None,
        answer_tokens: int | None = None,
        batch_size: int = DEFAULT_BATCH,
        show_progress: bool = False,
    ) -> Array:
        """Vectors of the texts under the instruction, float32.

        Shapes: (n, d) for n texts and one instruction; (q, n, d) for a list of q instructions, which share one
        reading; (n, d) with ``paired``, where text i is asked instruction i. A single text in place of a list
        drops the n axis. No texts give n = 0. ``instruction`` None gives the backbone's instruction-free vectors
        where it has them (the bundled model: those of all-MiniLM-L6-v2).

        ``aggregation`` is a name of ``answerspace.aggregation.AGGREGATIONS`` or any function of an Answered;
        ``layer`` runs from 0 (embeddings) to the number of blocks, negative from the end; ``normalize`` makes unit
        vectors (a zero vector stays zero). Defaults are ``self.settings``.
        """
        plan = self._plan(aggregation, layer, normalize, answer_filter, answer_tokens, words=False)
        single = isinstance(texts, str)
        rows = _checked_texts([texts] if isinstance(texts, str) else texts)
        if instruction is None:
            vectors = self._encode_plain(rows, plan.normalize, batch_size, show_progress)
        elif paired:
            vectors = self._encode_paired(rows, _paired(instruction, rows), plan, batch_size, show_progress)
        else:
            questions = [instruction] if isinstance(instruction, str) else list(instruction)
            asked = self._run(rows, [checked_question(q) for q in questions], plan, batch_size, show_progress)
            stacked = [a.vectors for a in asked]
            vectors = stacked[0] if isinstance(instruction, str) else _stack(stacked, len(rows), self.dimension)
        return vectors[..., 0, :] if single else vectors

    def ask_and_answer(
        self,
        texts: Sequence[str],
        instructions: Sequence[str],
        *,
        aggregation: Aggregation | None = None,
        layer: int | None = None,
        normalize: bool | None = None,
        answer_filter: AnswerFilter | None = None,
        answer_tokens: int | None = None,
        batch_size: int = DEFAULT_BATCH,
        show_progress: bool = False,
    ) -> list[Asked]:
        """Vectors and answers in words, one Asked per instruction, from one reading that is not kept."""
        plan = self._plan(aggregation, layer, normalize, answer_filter, answer_tokens, words=True)
        questions = [checked_question(q) for q in instructions]
        return self._run(_checked_texts(texts), questions, plan, batch_size, show_progress)

    def answer(
        self,
        texts: str | Sequence[str],
        instruction: str,
        *,
        sampling: Sampling | None = None,
        answer_tokens: int | None = None,
        batch_size: int = DEFAULT_BATCH,
        show_progress: bool = False,
    ) -> str | list[str]:
        """The answers in words: one string for one text, a list for a list. An answer may be empty."""
        rows = _checked_texts([texts] if isinstance(texts, str) else texts)
        plan = replace(
            self._plan(None, None, False, None, answer_tokens, words=True), aggregate=_no_vector, reencode=None
        )
        plan = replace(plan, asking=replace(plan.asking, sampling=sampling))
        answers = self._run(rows, [checked_question(instruction)], plan, batch_size, show_progress)[0].answers
        return answers[0] if isinstance(texts, str) else answers

    def head_words(self, states: Array, top: int = 20) -> list[list[str]]:
        """The ``top`` whole words the model's head scores highest for each of (K, d) differences or states."""
        from answerspace.head_words import top_words

        return top_words(self.backbone, states, top)

    def contrast_words(self, centres: Array, corpus_mean: Array, top: int = 20) -> list[list[str]]:
        """Contrast decoding: the words by which each of K mean states (K, d) differs from the corpus mean (d,).

        Takes unnormalised last-layer vectors. For a linear head this is the head applied to the difference
        (the InBedder authors' explanation); for a head with a nonlinearity it is the difference of its scores.
        """
        from answerspace.head_words import contrast_words

        return contrast_words(self.backbone, centres, corpus_mean, top)

    def save(self, path: str) -> None:
        """Write the model and its settings to a folder that ``Embedder.load`` takes."""
        from answerspace.loading import save_backbone

        save_backbone(self.backbone, self.settings, path)

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Upload what ``save`` writes to a Hugging Face repository; returns its address. Needs the torch extra."""
        from answerspace.loading import push_backbone

        return push_backbone(self.backbone, self.settings, repo_id, **options)

    # --- how a call runs -------------------------------------------------------------------------------------

    def _plan(
        self,
        aggregation: Aggregation | None,
        layer: int | None,
        normalize: bool | None,
        answer_filter: AnswerFilter | None,
        answer_tokens: int | None,
        *,
        words: bool,
    ) -> _Plan:
        s = self.settings
        layer = checked_layer(s.layer if layer is None else layer, self.backbone.layers)
        chosen = s.aggregation if aggregation is None else aggregation
        aggregate, reencode, needs_answer = resolve_aggregation(chosen, s.convention, self.backbone.kind)
        wanted = s.answer_tokens if answer_tokens is None else answer_tokens
        words = words or reencode is not None or answer_filter is not None
        if not (needs_answer or words):
            wanted = 0  # the state that predicts the first answer token needs no generation
        prompt_states = reencode is None and needs_prompt_states(aggregate)
        asking = Asking(layer=layer, answer_tokens=wanted, prompt_states=prompt_states, words=words)
        return _Plan(aggregate, reencode, asking, answer_filter, s.normalize if normalize is None else normalize)

    def _run(
        self, rows: list[str], questions: list[str], plan: _Plan, batch_size: int, show_progress: bool
    ) -> list[Asked]:
        unique, inverse = distinct(rows)
        gathered = [Gather(len(unique)) for _ in questions]
        for batch in _progress(batches_by_length(unique, batch_size), "texts", show_progress):
            read = self.backbone.read([unique[i] for i in batch])
            for question, gather in zip(questions, gathered, strict=True):
                gather.put(batch, *self._ask_batch(read, [question] * len(batch), plan))
        return [
            Asked(question, *gather.result(inverse, self.dimension, plan.normalize))
            for question, gather in zip(questions, gathered, strict=True)
        ]

    def _encode_paired(
        self, rows: list[str], questions: list[str], plan: _Plan, batch_size: int, show_progress: bool
    ) -> Array:
        pairs, inverse = distinct(list(zip(rows, questions, strict=True)))
        gather = Gather(len(pairs))
        for batch in _progress(batches_by_length([text for text, _ in pairs], batch_size), "texts", show_progress):
            read = self.backbone.read([pairs[i][0] for i in batch])
            gather.put(batch, *self._ask_batch(read, [pairs[i][1] for i in batch], plan))
        return gather.result(inverse, self.dimension, plan.normalize)[0]

    def _encode_plain(self, rows: list[str], normalize: bool, batch_size: int, show_progress: bool) -> Array:
        embed = getattr(self.backbone, "embed", None)
        if embed is None:
            raise InputError(
                f"Without an instruction only the bundled model has vectors. Got a {self.backbone.kind} model; "
                "give an instruction such as 'What is the text about?'."
            )
        unique, inverse = distinct(rows)
        gather = Gather(len(unique))
        for batch in _progress(batches_by_length(unique, batch_size), "texts", show_progress):
            gather.put(batch, embed(self.backbone.read([unique[i] for i in batch])), [""] * len(batch))
        return gather.result(inverse, self.dimension, normalize)[0]

    def _ask_batch(self, read: Any, questions: list[str], plan: _Plan) -> tuple[Array, list[str]]:
        if plan.reencode is not None:
            return self._ask_reencoded(read, questions, plan, plan.reencode)
        answered = self.backbone.ask(read, questions, plan.asking)
        if plan.answer_filter is not None:
            answered = plan.answer_filter.narrow(answered, questions, self.backbone)
        return plan.aggregate(answered), answered.answers

    def _ask_reencoded(
        self, read: Any, questions: list[str], plan: _Plan, reencode: Reencode
    ) -> tuple[Array, list[str]]:
        answers = []
        for sampling in reencode.samplings():
            answered = self.backbone.ask(read, questions, replace(plan.asking, sampling=sampling))
            if plan.answer_filter is not None:
                answered = plan.answer_filter.narrow_words(answered, questions)
            answers.append(answered.answers)
        return reencode.mean(answers), answers[0]


class Reading:
    """What ``Embedder.read`` keeps of n texts. Every question asked of it skips the reading."""

    def __init__(
        self, embedder: Embedder, texts: list[str], inverse: np.ndarray, parts: list[tuple[list[int], Any]]
    ) -> None:
        self.texts = texts
        self._embedder = embedder
        self._inverse = inverse
        self._parts = parts

    def __len__(self) -> int:
        return len(self.texts)

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
        embedder = self._embedder
        plan = embedder._plan(aggregation, layer, normalize, answer_filter, answer_tokens, words=False)
        questions = [instruction] if isinstance(instruction, str) else list(instruction)
        asked = [self._run(checked_question(q), plan, show_progress).vectors for q in questions]
        return asked[0] if isinstance(instruction, str) else _stack(asked, len(self), embedder.dimension)

    def answer(
        self,
        instruction: str,
        *,
        sampling: Sampling | None = None,
        answer_tokens: int | None = None,
        show_progress: bool = False,
    ) -> list[str]:
        """The answers in words, one per text; an answer may be empty."""
        plan = replace(
            self._embedder._plan(None, None, False, None, answer_tokens, words=True),
            aggregate=_no_vector,
            reencode=None,
        )
        plan = replace(plan, asking=replace(plan.asking, sampling=sampling))
        return self._run(checked_question(instruction), plan, show_progress).answers

    def _run(self, question: str, plan: _Plan, show_progress: bool) -> Asked:
        gather = Gather(1 + max((max(batch) for batch, _ in self._parts), default=-1))
        for batch, read in _progress(self._parts, "asking", show_progress):
            gather.put(batch, *self._embedder._ask_batch(read, [question] * len(batch), plan))
        return Asked(question, *gather.result(self._inverse, self._embedder.dimension, plan.normalize))


# --- checks and small steps --------------------------------------------------------------------------------------


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


def _checked_texts(texts: Sequence[str]) -> list[str]:
    rows = list(texts)
    for i, text in enumerate(rows):
        if not isinstance(text, str):
            raise InputError(f"Every text must be a string. Text {i} is {type(text).__name__}: {text!r:.60}.")
    return rows


def _paired(instruction: str | Sequence[str], rows: list[str]) -> list[str]:
    questions = [instruction] * len(rows) if isinstance(instruction, str) else list(instruction)
    if len(questions) != len(rows):
        raise InputError(
            f"With paired=True there must be one instruction per text. Got {len(questions)} instructions "
            f"for {len(rows)} texts."
        )
    return [checked_question(q) for q in questions]


def _stack(vectors: list[Array], n: int, dimension: int) -> Array:
    return cast(Array, np.stack(vectors) if vectors else np.zeros((0, n, dimension), np.float32))


def _no_vector(answered: Answered) -> Array:
    return np.zeros((len(answered.answers), 0), np.float32)


def _progress(items: Sequence[T], what: str, show: bool) -> Iterable[T]:
    return _tracked(items, what) if show else items


def _tracked(items: Sequence[T], what: str) -> Iterator[T]:
    from answerspace.progress import track

    return track(items, what)
