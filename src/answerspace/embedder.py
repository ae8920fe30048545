"""The embedder: texts are read once and asked many questions.

Knows backbones by protocol only. Works in batches of texts sorted by length; equal texts are computed once; the
order of the input never matters. It does not know what the vectors are used for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from answerspace.aggregation import Aggregation
from answerspace.answer_filter import AnswerFilter
from answerspace.answers import Array, Sampling
from answerspace.batches import Gather, batches_by_length, distinct, grouped_batches
from answerspace.errors import InputError
from answerspace.protocols import Backbone
from answerspace.questioning import Asked, Questioning, checked_question, questions_of, stacked
from answerspace.reading import HeldParts, Reading
from answerspace.settings import Settings
from answerspace.vector_cache import VectorCache

T = TypeVar("T")
DEFAULT_BATCH = 32


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
        return Reading(self, unique, inverse, HeldParts(parts))

    def open_reading(self, path: str | Path) -> Reading:
        """A reading on disk, written by ``Reading.save`` or ``answerspace read``, to be asked as any other.

        Its states are mapped while they are used. Raises InputError for another model's reading, and for one that is
        unfinished or damaged.
        """
        return Reading.open(path, self)

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
        questioning = Questioning.of(self, aggregation, layer, normalize, answer_filter, answer_tokens, words=False)
        single = isinstance(texts, str)
        rows = _checked_texts([texts] if isinstance(texts, str) else texts)
        if instruction is None:
            vectors = self._encode_plain(rows, questioning.normalize, batch_size, show_progress)
        elif paired:
            vectors = self._encode_paired(rows, _paired(instruction, rows), questioning, batch_size, show_progress)
        else:
            asked = self._run(rows, questions_of(instruction), questioning, batch_size, show_progress)
            vectors = stacked(asked, instruction, len(rows), self.dimension)
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
        questioning = Questioning.of(self, aggregation, layer, normalize, answer_filter, answer_tokens, words=True)
        questions = questions_of(instructions)
        return self._run(_checked_texts(texts), questions, questioning, batch_size, show_progress)

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
        questioning = Questioning.of(self, normalize=False, answer_tokens=answer_tokens, words=True)
        questioning = questioning.for_words(sampling)
        answers = self._run(rows, [checked_question(instruction)], questioning, batch_size, show_progress)[0].answers
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

    def _run(
        self, rows: list[str], questions: list[str], questioning: Questioning, batch_size: int, show_progress: bool
    ) -> list[Asked]:
        unique, inverse = distinct(rows)
        gathered = [Gather(len(unique), questioning.folder) for _ in questions]
        lacking = [
            questioning.look_up(unique, question, gather) for question, gather in zip(questions, gathered, strict=True)
        ]
        with questioning.flushing():
            for batch, wanted in _progress(grouped_batches(unique, lacking, batch_size), "texts", show_progress):
                texts = [unique[i] for i in batch]
                read = self._read_to_ask(texts)
                asked = questioning.ask_each(read, [questions[place] for place in wanted], len(batch))
                for place, made in zip(wanted, asked, strict=True):
                    questioning.keep(texts, questions[place], *made)
                    gathered[place].put(batch, *made)
        return [
            Asked(question, *gather.result(inverse, self.dimension, questioning.normalize))
            for question, gather in zip(questions, gathered, strict=True)
        ]

    def _encode_paired(
        self, rows: list[str], questions: list[str], questioning: Questioning, batch_size: int, show_progress: bool
    ) -> Array:
        pairs, inverse = distinct(list(zip(rows, questions, strict=True)))
        gather = Gather(len(pairs))
        for batch in _progress(batches_by_length([text for text, _ in pairs], batch_size), "texts", show_progress):
            read = self._read_to_ask([pairs[i][0] for i in batch])
            gather.put(batch, *questioning.ask(read, [pairs[i][1] for i in batch]))
        return gather.result(inverse, self.dimension, questioning.normalize)[0]

    def _read_to_ask(self, texts: list[str]) -> Any:
        """What is asked and then forgotten; a backbone may leave out of it what no question looks at."""
        read = getattr(self.backbone, "read_to_ask", self.backbone.read)
        return read(texts)

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


# --- checks and small steps --------------------------------------------------------------------------------------


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


def _progress(items: Sequence[T], what: str, show: bool) -> Iterable[T]:
    if not show:
        return items
    from answerspace.progress import track  # late: it needs rich

    return track(items, what, len(items))
