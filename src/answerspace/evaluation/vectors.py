"""The vectors of one encoder, each computed once: equal texts once, chunks on disk, several questions per reading.

Chunks are files of a run of distinct texts under one question, put in place whole, so that an interrupted run leaves
finished chunks and nothing else. An encoder is recognised by the vectors it gives to a probe.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from answerspace.answer_store import put_in_place
from answerspace.answers import Array
from answerspace.batches import distinct
from answerspace.errors import InputError
from answerspace.protocols import Encoder

CHUNK = 256  # texts per file
PROBE = (["The soup was cold.", "A late train to Turin."], "What is it about?")
PROBE_TOLERANCE = 1e-3  # relative to the largest number of the probe: below what threads and batches do
README = "Vectors and k-means runs of answerspace evaluate. Safe to delete; they will be computed again.\n"

Advance = Callable[[int], None]


class Vectors:
    """Asks one encoder. ``folder`` None keeps nothing; else chunks go to a folder of this encoder inside it.

    Three ways to ask, by what the encoder has: ``encode``, and where there are, ``encode_many`` (several questions,
    one reading) and ``encode_paired`` (text i, question i). A true attribute ``blind`` says that the question is
    ignored. ``encoder`` is a function, so that nothing is loaded before it is needed.
    """

    def __init__(self, encoder: Encoder, name: str, folder: Path | None = None) -> None:
        self.encoder: Any = encoder
        self.folder = None if folder is None else _own_folder(encoder, name, folder)
        self.blind = bool(getattr(encoder, "blind", False))

    def ask(self, texts: Sequence[str], question: str, advance: Advance = lambda n: None) -> Array:
        """(n, d) vectors of the texts under a question."""
        return self.ask_many(texts, [question], advance)[0]

    def ask_many(
        self, texts: Sequence[str], questions: Sequence[str], advance: Advance = lambda n: None
    ) -> list[Array]:
        """(n, d) vectors per question; ``advance`` is told how many (text, question) pairs are done."""
        unique, inverse = distinct(texts)
        asked = [""] if self.blind else list(dict.fromkeys(questions))
        parts: dict[str, list[Array]] = {question: [] for question in asked}
        for found in self._chunks(unique, asked, advance):
            for question, one in found.items():
                parts[question].append(one)
        joined = {question: np.concatenate(one)[inverse] for question, one in parts.items()}
        return [joined["" if self.blind else question] for question in questions]

    def ask_each(
        self, texts: Sequence[str], questions: Sequence[str], advance: Advance = lambda n: None
    ) -> Iterator[Array]:
        """As ``ask_many``, one question after the other; vectors that are kept on disk are in memory one at a time."""
        if self.folder is None:
            yield from self.ask_many(texts, questions, advance)
            return
        for _ in self._chunks(distinct(texts)[0], [""] if self.blind else list(dict.fromkeys(questions)), advance):
            pass
        for question in questions:
            yield self.ask(texts, question)

    def _chunks(self, unique: list[str], asked: list[str], advance: Advance) -> Iterator[dict[str, Array]]:
        """Vectors by question, a chunk of texts after the other; what is not on disk is computed and put there."""
        for at in range(0, len(unique), CHUNK):
            chunk = unique[at : at + CHUNK]
            found = {question: self._load([question, *chunk], len(chunk)) for question in asked}
            missing = [question for question, vectors in found.items() if vectors is None]
            for question, vectors in zip(missing, self._encode_many(chunk, missing), strict=True):
                self._save([question, *chunk], vectors)
                found[question] = vectors
            advance(len(chunk) * len(asked))
            yield {question: vectors for question, vectors in found.items() if vectors is not None}

    def ask_paired(self, texts: Sequence[str], questions: Sequence[str], advance: Advance = lambda n: None) -> Array:
        """(n, d) vectors, text i under question i."""
        if self.blind:
            return self.ask(texts, "", advance)
        unique, inverse = distinct(list(zip(texts, questions, strict=True)))
        parts = []
        for at in range(0, len(unique), CHUNK):
            chunk = unique[at : at + CHUNK]
            key = ["paired", *(part for pair in chunk for part in pair)]
            found = self._load(key, len(chunk))
            if found is None:
                found = self._encode_paired([text for text, _ in chunk], [question for _, question in chunk])
                self._save(key, found)
            parts.append(found)
            advance(len(chunk))
        return np.asarray(np.concatenate(parts)[inverse])

    def _encode_many(self, texts: list[str], questions: list[str]) -> list[Array]:
        if len(questions) > 1 and hasattr(self.encoder, "encode_many"):
            return [_checked(one, len(texts)) for one in self.encoder.encode_many(texts, questions)]
        return [_checked(self.encoder.encode(texts, instruction=question), len(texts)) for question in questions]

    def _encode_paired(self, texts: list[str], questions: list[str]) -> Array:
        if hasattr(self.encoder, "encode_paired"):
            return _checked(self.encoder.encode_paired(texts, questions), len(texts))
        asked, inverse = distinct(questions)
        rows: list[Any] = [None] * len(texts)
        for number, question in enumerate(asked):
            places = np.flatnonzero(inverse == number)
            vectors = _checked(self.encoder.encode([texts[i] for i in places], instruction=question), len(places))
            for place, vector in zip(places, vectors, strict=True):
                rows[place] = vector
        return np.stack(rows)

    def _path(self, key: Sequence[str]) -> Path | None:
        return None if self.folder is None else self.folder / f"{_hash(key)}.npy"

    def _load(self, key: Sequence[str], n: int) -> Array | None:
        path = self._path(key)
        if path is None or not path.exists():
            return None
        try:
            vectors = np.load(path, allow_pickle=False)
        except Exception:  # whatever is wrong with a damaged file, the remedy is to compute it again
            return None
        return vectors if vectors.ndim == 2 and len(vectors) == n and bool(np.isfinite(vectors).all()) else None

    def _save(self, key: Sequence[str], vectors: Array) -> None:
        path = self._path(key)
        if path is not None:
            with put_in_place(path) as part, part.open("wb") as file:
                np.save(file, vectors)


def _own_folder(encoder: Encoder, name: str, folder: Path) -> Path:
    """The folder whose probe this encoder answers alike, or a new one: a changed model does not meet old vectors."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.txt").write_text(README, encoding="utf-8")
    texts, question = PROBE
    probe = _checked(encoder.encode(texts, instruction=question), len(texts))
    slug = re.sub(r"[^\w.+-]+", "_", name)[-60:].strip("_") or "encoder"
    for number in range(1, 1_000):
        own = folder / f"{slug}.{number}"
        kept = own / "probe.npy"
        if not kept.exists():
            own.mkdir(exist_ok=True)
            with put_in_place(kept) as part, part.open("wb") as file:
                np.save(file, probe)
            return own
        try:
            known = np.load(kept, allow_pickle=False)
        except Exception:  # damaged: not ours
            continue
        if known.shape == probe.shape and np.abs(known - probe).max() <= PROBE_TOLERANCE * np.abs(probe).max():
            return own
    raise InputError(f"{folder} must have room for vectors of {name}. Got a thousand sets of them; delete the folder.")


def _checked(vectors: Any, n: int) -> Array:
    found = np.asarray(vectors, np.float32)
    if found.ndim != 2 or len(found) != n:
        raise InputError(f"An encoder must give one vector per text. Got shape {found.shape} for {n} texts.")
    if not np.isfinite(found).all():
        raise InputError(f"An encoder must give finite numbers. Got some that are not, for {n} texts.")
    return found


def _hash(strings: Sequence[str]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for one in strings:
        data = one.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()
