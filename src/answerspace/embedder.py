"""The embedder: texts are read once and asked many questions.

Knows backbones by protocol only. Works in batches of texts sorted by length; equal texts are computed once; the
order of the input never matters. It does not know what the vectors are used for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import numpy as np

from answerspace.aggregation import Aggregation, Reencode, needs_prompt_states, resolve_aggregation
from answerspace.answer_filter import AnswerFilter
from answerspace.answers import Answered, Array, Asking, Mask, Sampling
from answerspace.batches import Gather, batches_by_length, distinct, grouped_batches
from answerspace.disk_arrays import pieces
from answerspace.errors import InputError
from answerspace.protocols import Backbone
from answerspace.settings import Settings as Settings
from answerspace.vector_cache import VectorCache, scope_of

T = TypeVar("T")
DEFAULT_BATCH = 32
TOGETHER = 16  # questions in one pass, where a backbone takes several: its mask grows with their square


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

    def scope(self, backbone: Backbone, fingerprint: str, question: str) -> bytes | None:
        """The scope in a cache of what is asked so; None where a function that is not ours has a say in it."""
        if self.reencode is not None or not self.aggregate.__module__.startswith("answerspace."):
            return None
        own_length = getattr(backbone, "answer_tokens", None)  # what an asking without a number comes to
        asked = (self.aggregate.__module__, self.aggregate.__qualname__, repr(self.asking), repr(self.answer_filter))
        return scope_of(fingerprint, repr(own_length), *asked, question)


class Embedder:
    """Embeds texts by the answer they would give to an instruction (InBedder, arXiv 2402.09642).

    ``Embedder.load()`` is the usual way in; the constructor takes any object that follows ``protocols.Backbone``.
    With a ``cache`` vectors and answers are kept between calls and processes (re-encoded ones, those of an aggregation
    of your own and those of paired questions are not); what is cached costs a look-up and no pass of the model.
    """

    def __init__(
        self, backbone: Backbone, settings: Settings | None = None, *, cache: VectorCache | None = None
    ) -> None:
        self.backbone = backbone
        self.settings = settings or Settings()
        self.cache = cache

    @classmethod
    def load(
        cls, name_or_path: str | None = None, *, cache: VectorCache | str | Path | None = None, **options: Any
    ) -> Embedder:
        """The bundled model (no argument), a folder written by ``save``, a preset, or any hub id or model folder.

        ``cache`` is a VectorCache or the path of one, made if need be.

        ``options`` are the fields of ``answerspace.loading.LoadOptions``: ``device``, ``dtype``, ``template``,
        ``truncation``, ``max_length``, ``masks``, ``revision``, ``convention``, ``engine``, ...
        Raises ModelError when the name is no model, or an architecture that is not supported.
        """
        from answerspace.loading import load_backbone

        backbone, settings = load_backbone(name_or_path, **options)
        return cls(backbone, settings, cache=VectorCache(cache) if isinstance(cache, str | Path) else cache)

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
        return Reading(self, unique, inverse, _HeldParts(parts))

    def open_reading(self, path: str | Path) -> Reading:
        """A reading on disk, written by ``Reading.save`` or ``answerspace read``, to be asked as any other.

        Its states are mapped while they are used. Raises InputError for another model's reading, and for one that is
        unfinished or damaged.
        """
        from answerspace.reading_file import ReadingFile  # late: it needs safetensors

        file = ReadingFile(path, self.backbone)
        return Reading(self, file.distinct, file.inverse, file)

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
        where it has them (the bundled model: those of all-MiniLM-L6-v2, nearly so on its 8-bit engine).

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
        gathered = [Gather(len(unique), self._folder) for _ in questions]
        lacking = [
            self._look_up(unique, question, plan, gather, self.backbone.fingerprint)
            for question, gather in zip(questions, gathered, strict=True)
        ]
        with self._flushing():
            for batch, wanted in _progress(grouped_batches(unique, lacking, batch_size), "texts", show_progress):
                texts = [unique[i] for i in batch]
                read = self.backbone.read(texts)
                asked = self._ask_each(read, [questions[place] for place in wanted], len(batch), plan)
                for place, made in zip(wanted, asked, strict=True):
                    self._keep(texts, questions[place], plan, *made, self.backbone.fingerprint)
                    gathered[place].put(batch, *made)
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

    @contextmanager
    def _flushing(self) -> Iterator[None]:
        """What the block computes is in the cache's file when it ends, well or not."""
        try:
            yield
        finally:
            if self.cache is not None:
                self.cache.flush()

    @property
    def _folder(self) -> Path | None:
        """Where vectors that are too many for the memory lie while they are used: beside the cache."""
        return None if self.cache is None else self.cache.path.parent

    def _look_up(self, texts: Sequence[str], question: str, plan: _Plan, gather: Gather, fingerprint: str) -> Mask:
        """Gather what the cache knows of n texts; the mask (n,) of the rows that it lacks."""
        scope = None if self.cache is None else plan.scope(self.backbone, fingerprint, question)
        lacking = np.ones(len(texts), bool)
        if self.cache is None or scope is None:
            return lacking
        for piece in pieces(len(texts)):
            known = self.cache.get(scope, texts[piece])
            lacking[piece] = ~known.found
            gather.put((np.flatnonzero(known.found) + piece.start).tolist(), known.vectors, known.answers)
        return lacking

    def _known(
        self, texts: Sequence[str], question: str, plan: _Plan, fingerprint: str
    ) -> tuple[Array, list[str]] | None:
        """Vectors and answers of a batch, if the cache knows all of it."""
        gather = Gather(len(texts))
        if self._look_up(texts, question, plan, gather, fingerprint).any():
            return None
        return gather.result(np.arange(len(texts)), self.dimension, False)

    def _keep(
        self, texts: Sequence[str], question: str, plan: _Plan, vectors: Array, answers: list[str], fingerprint: str
    ) -> None:
        scope = None if self.cache is None else plan.scope(self.backbone, fingerprint, question)
        if self.cache is not None and scope is not None:
            self.cache.put(scope, texts, vectors, answers)

    def _ask_each(self, read: Any, questions: list[str], rows: int, plan: _Plan) -> Iterator[tuple[Array, list[str]]]:
        """Vectors and answers of a batch under each question; in one pass over several where the backbone has that."""
        many = getattr(self.backbone, "ask_many", None)
        if plan.reencode is not None or plan.answer_filter is not None:
            many = None
        for start in range(0, len(questions), TOGETHER):
            some = questions[start : start + TOGETHER]
            answered = many(read, some, plan.asking) if many is not None and len(some) > 1 else None
            if answered is None:
                yield from (self._ask_batch(read, [question] * rows, plan) for question in some)
            else:
                yield from ((plan.aggregate(one), one.answers) for one in answered)

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


class _Parts(Protocol):
    """The batches of a reading: in memory, or on disk."""

    @property
    def fingerprint(self) -> str | None:
        """Of what the states are, where they are not to the last bit the model's own."""
        ...

    def __len__(self) -> int: ...

    def parts(self) -> Iterator[tuple[list[int], Callable[[], Any]]]:
        """(numbers of the distinct texts, what gives the batch that was read of them) of each batch."""
        ...


class _HeldParts:
    """Batches in memory."""

    fingerprint: str | None = None

    def __init__(self, held: list[tuple[list[int], Any]]) -> None:
        self._held = held

    def __len__(self) -> int:
        return len(self._held)

    def parts(self) -> Iterator[tuple[list[int], Callable[[], Any]]]:
        for batch, read in self._held:
            yield batch, lambda read=read: read  # type: ignore[misc]


class Reading:
    """What was read of n texts, in memory or on disk. Every question asked of it skips the reading.

    ``distinct`` are its distinct texts; ``places`` (n,) says which of them row i is, -1 for a row of a file that
    holds no text (it gets a zero vector and an empty answer).
    """

    def __init__(self, embedder: Embedder, distinct: Sequence[str], places: np.ndarray, parts: _Parts) -> None:
        self.distinct = distinct
        self.places = places
        self._embedder = embedder
        self._parts = parts

    @classmethod
    def open(cls, path: str | Path, embedder: Embedder) -> Reading:
        """The same as ``embedder.open_reading(path)``."""
        return embedder.open_reading(path)

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
        from answerspace.reading_file import save_reading  # late: it needs safetensors

        batches = (([self.distinct[i] for i in batch], load()) for batch, load in self._parts.parts())
        save_reading(path, self._embedder.backbone, self.texts, batches, name)

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
        asked = self._run([checked_question(q) for q in questions], plan, show_progress)
        vectors = [one.vectors for one in asked]
        return vectors[0] if isinstance(instruction, str) else _stack(vectors, len(self), embedder.dimension)

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
        plan = self._embedder._plan(aggregation, layer, normalize, answer_filter, answer_tokens, words=True)
        return self._run([checked_question(q) for q in instructions], plan, show_progress)

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
        return self._run([checked_question(instruction)], plan, show_progress)[0].answers

    def _run(self, questions: list[str], plan: _Plan, show_progress: bool) -> list[Asked]:
        embedder = self._embedder
        fingerprint = self._parts.fingerprint or embedder.backbone.fingerprint
        gathered = [Gather(len(self.distinct), embedder._folder) for _ in questions]
        parts = self._parts.parts()
        with embedder._flushing():
            for batch, load in _tracked(parts, "asking", len(self._parts)) if show_progress else parts:
                texts = [] if embedder.cache is None else [self.distinct[i] for i in batch]
                read = None
                for question, gather in zip(questions, gathered, strict=True):
                    known = None if embedder.cache is None else embedder._known(texts, question, plan, fingerprint)
                    if known is not None:
                        gather.put(batch, *known)
                        continue
                    read = load() if read is None else read
                    made = embedder._ask_batch(read, [question] * len(batch), plan)
                    embedder._keep(texts, question, plan, *made, fingerprint)
                    gather.put(batch, *made)
        return [
            Asked(question, *gather.result(self.places, embedder.dimension, plan.normalize))
            for question, gather in zip(questions, gathered, strict=True)
        ]


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
    return _tracked(items, what, len(items)) if show else items


def _tracked(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    from answerspace.progress import track

    return track(items, what, total)
