"""Instructions as vectors: any encoder by name, and the words of the instructions themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from answerspace.answers import Array
from answerspace.embedder import Embedder
from answerspace.errors import InputError

Numbers = npt.NDArray[np.float64]
InstructionEncoder = Callable[[Sequence[str]], Array]  # n instructions -> (n, d)
TASK_QUESTION = "What task does it ask for?"
BUNDLED, ASKED, LEXICAL, SENTENCE_TRANSFORMER = "bundled", "bundled-asked", "lexical", "st:"


def instruction_encoder(name: str, load: Callable[[str | None], Embedder]) -> InstructionEncoder:
    """The encoder of a name.

    ``bundled``: the bundled model's vectors without a question (those of all-MiniLM-L6-v2; no torch).
    ``bundled-asked``: its vectors under "What task does it ask for?". ``lexical``: character n-grams alone.
    ``st:NAME``: a sentence-transformers model or folder (the eval extra). Any other name is a model for
    ``Embedder.load`` and is asked the question.
    """
    if name == LEXICAL:
        return character_vectors
    if name.startswith(SENTENCE_TRANSFORMER):
        from answerspace.evaluation.encoders.baselines import SentenceTransformerBaseline

        encoder = SentenceTransformerBaseline(name.removeprefix(SENTENCE_TRANSFORMER), device="cpu")
        return partial(encoder.encode, instruction=TASK_QUESTION)
    embedder = load(None if name in (BUNDLED, ASKED) else name)
    question = None if name == BUNDLED else TASK_QUESTION
    return lambda texts: embedder.encode(list(texts), question)


def character_vectors(texts: Sequence[str]) -> Array:
    """Character 3- to 5-gram tf-idf within words, fit on the texts themselves, as dense rows (n, d) of length 1.

    Reduced to n dimensions at most, which keeps every cosine: only products between the given texts are wanted.
    """
    grams = _tfidf(texts)
    return np.asarray(_factor((grams @ grams.T).toarray()), np.float32)


def character_cosines(texts: Sequence[str]) -> Numbers:
    """(n, n) cosines of character 3- to 5-gram tf-idf."""
    grams = _tfidf(texts)
    return np.asarray((grams @ grams.T).toarray(), np.float64)


class KeptVectors:
    """An encoder that remembers: each distinct instruction is encoded once.

    Character vectors are fit on the texts they come with and are made anew in every call.
    """

    def __init__(self, encode: InstructionEncoder) -> None:
        self._encode = encode
        self._kept: dict[str, Array] = {}

    def __call__(self, texts: Sequence[str]) -> Array:
        """(n, d) vectors in the order of the texts."""
        if self._encode is character_vectors:
            return self._encode(texts)
        new = [text for text in dict.fromkeys(texts) if text not in self._kept]
        if new:
            vectors = np.asarray(self._encode(new))
            if vectors.ndim != 2 or len(vectors) != len(new):
                raise InputError(f"An encoder must give one vector per text. Got {vectors.shape} for {len(new)}.")
            self._kept.update(zip(new, vectors, strict=True))
        return np.stack([self._kept[text] for text in texts])


class VectorFile(KeptVectors):
    """An encoder that remembers in a file, written after every ``chunk`` new texts: a stopped run goes on."""

    def __init__(self, encode: InstructionEncoder, path: Path, chunk: int = 128) -> None:
        super().__init__(encode)
        self._path, self._chunk = path, chunk
        if path.exists():
            with np.load(path, allow_pickle=False) as kept:
                texts = json.loads(kept["texts"].tobytes())
                self._kept = dict(zip(texts, kept["vectors"], strict=True))
        self._written = len(self._kept)

    def __call__(self, texts: Sequence[str]) -> Array:
        """(n, d) vectors in the order of the texts."""
        if self._encode is character_vectors:
            raise InputError("--encoder lexical has no vectors of its own to keep; choose another for this.")
        new = [text for text in dict.fromkeys(texts) if text not in self._kept]
        for start in range(0, len(new), self._chunk):
            super().__call__(new[start : start + self._chunk])
            if len(self._kept) >= self._written + self._chunk:
                self.write()
        return super().__call__(texts)

    def write(self) -> None:
        """Write what is remembered, if anything."""
        if not self._kept:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part.npz")
        texts = np.frombuffer(json.dumps(list(self._kept)).encode(), np.uint8)
        np.savez(part, texts=texts, vectors=np.stack(list(self._kept.values())))
        part.replace(self._path)
        self._written = len(self._kept)


def _tfidf(texts: Sequence[str]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        return TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True).fit_transform(texts)
    except ValueError:
        raise InputError("Instructions must hold at least one word of three letters. Got none.") from None


def _factor(gram: Numbers) -> Numbers:
    values, vectors = np.linalg.eigh(gram)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0)))
