"""A teacher's vectors of (text, question) pairs, each computed once and kept on disk.

    FOLDER/<teacher>/teacher.json    what the vectors depend on
    FOLDER/<teacher>/keys.bin        16 bytes a pair: a hash of text and question
    FOLDER/<teacher>/vectors.f16     2 d bytes a pair: a unit vector

Vectors are written before their keys and both files only grow, so a run that was stopped anywhere leaves whole pairs
and at most a tail that the next run cuts off. What was just computed is served as it will be read, in half precision,
so a run that goes on sees the same numbers as one that was never stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from answerspace.answers import Array
from answerspace.embedder import DEFAULT_BATCH, Embedder

Pair = tuple[str, str]
KEY = 16  # bytes


class TeacherVectors:
    """Unit vectors of pairs by an embedder under its own settings. ``dimension`` is the teacher's."""

    def __init__(self, teacher: Embedder, folder: Path, *, batch_size: int = DEFAULT_BATCH) -> None:
        self.teacher = teacher
        self.dimension = teacher.dimension
        self.batch_size = batch_size
        what = {"model": teacher.backbone.fingerprint, "settings": asdict(teacher.settings), "d": teacher.dimension}
        written = json.dumps(what, sort_keys=True)
        self.folder = folder / hashlib.blake2b(written.encode(), digest_size=8).hexdigest()
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "teacher.json").write_text(written + "\n", "utf-8")
        self._keys, self._vectors = self.folder / "keys.bin", self.folder / "vectors.f16"
        self._width = 2 * self.dimension
        self._places = self._known()

    def __len__(self) -> int:
        return len(self._places)

    def __call__(self, pairs: Sequence[Pair]) -> Array:
        """(n, d) unit vectors of n pairs (text, question)."""
        keys = [_key(pair) for pair in pairs]
        missing = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in self._places}
        if missing:
            self._compute(list(missing), list(missing.values()))
        return self._load([self._places[key] for key in keys])

    def _compute(self, keys: list[bytes], pairs: list[Pair]) -> None:
        texts, questions = [text for text, _ in pairs], [question for _, question in pairs]
        vectors = self.teacher.encode(texts, questions, paired=True, normalize=True, batch_size=self.batch_size)
        with self._vectors.open("ab") as file:
            file.write(np.ascontiguousarray(vectors, np.float16).tobytes())
        with self._keys.open("ab") as file:
            file.write(b"".join(keys))
        known = len(self._places)
        self._places.update({key: known + i for i, key in enumerate(keys)})

    def _load(self, places: list[int]) -> Array:
        rows = np.zeros((len(places), self.dimension), np.float32)
        with self._vectors.open("rb") as file:
            for i, place in enumerate(places):
                file.seek(place * self._width)
                rows[i] = np.frombuffer(file.read(self._width), np.float16)
        return rows

    def _known(self) -> dict[bytes, int]:
        """The pairs on disk; what an interruption left half-written is cut off."""
        for path in (self._keys, self._vectors):
            path.touch()
        whole = min(self._keys.stat().st_size // KEY, self._vectors.stat().st_size // self._width)
        for path, width in ((self._keys, KEY), (self._vectors, self._width)):
            with path.open("r+b") as file:
                file.truncate(whole * width)
        stored = self._keys.read_bytes()
        return {stored[i * KEY : (i + 1) * KEY]: i for i in range(whole)}


def _key(pair: Pair) -> bytes:
    text, question = (part.encode("utf-8", "surrogatepass") for part in pair)
    return hashlib.blake2b(len(text).to_bytes(8, "big") + text + question, digest_size=KEY).digest()
