"""The answer store: vectors and answers on disk in chunks, so that nothing computed is computed again.

A chunk is one file for one question and a run of distinct texts. Its name is a hash of everything its content
depends on (model fingerprint, question, settings, the texts), so a file is right or not there; a damaged one counts
as not there. Files are put in place whole: an interrupted run leaves finished chunks and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from answerspace.embedder import Asked, Embedder
from answerspace.errors import InputError
from answerspace.progress import bar

CHUNK = 256  # distinct texts per file: what an interruption costs at most, and enough to batch texts of like length
FORMAT = "1"  # part of every key; a change of the file format leaves old files unread
README = """\
Vectors and answers that answerspace has computed, so that running the same command again, or with another
question, is a look-up. Safe to delete; it will be computed again.
"""


class AnswerStore:
    """Chunks of answers under ``folder``; with None nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "README.txt").write_text(README, encoding="utf-8")

    def answers(
        self,
        embedder: Embedder,
        texts: Sequence[str],
        questions: Sequence[str],
        *,
        batch_size: int = 32,
        show_progress: bool = False,
    ) -> list[Asked]:
        """One Asked per question for n distinct texts, unnormalised; computes only what is not on disk.

        A chunk is read once for all the questions that lack it.
        """
        chunks = [list(texts[at : at + CHUNK]) for at in range(0, len(texts), CHUNK)]
        found = [{q: self._load(embedder, q, chunk) for q in questions} for chunk in chunks]
        missing = [(i, [q for q in questions if found[i][q] is None]) for i in range(len(chunks))]
        missing = [(i, lacking) for i, lacking in missing if lacking]
        with _advancing(sum(len(chunks[i]) for i, _ in missing) if show_progress else 0) as advance:
            for i, lacking in missing:
                asked = embedder.ask_and_answer(chunks[i], lacking, normalize=False, batch_size=batch_size)
                for one in asked:
                    self._save(embedder, one, chunks[i])
                    found[i][one.instruction] = one
                advance(len(chunks[i]))
        return [_joined(q, [part[q] for part in found], embedder.dimension) for q in questions]

    def _path(self, embedder: Embedder, question: str, chunk: Sequence[str]) -> Path | None:
        if self.folder is None:
            return None
        asking = _hash([FORMAT, embedder.backbone.fingerprint, repr(embedder.settings), question])
        return self.folder / asking / f"{_hash(chunk)}.npz"

    def _load(self, embedder: Embedder, question: str, chunk: Sequence[str]) -> Asked | None:
        path = self._path(embedder, question, chunk)
        if path is None or not path.exists():
            return None
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                vectors, answers = arrays["vectors"], json.loads(arrays["answers"].tobytes())
        except Exception:  # whatever is wrong with a damaged file, the remedy is to compute it again
            return None
        whole = vectors.ndim == 2 and len(vectors) == len(answers) == len(chunk) and bool(np.isfinite(vectors).all())
        return Asked(question, vectors, answers) if whole else None

    def _save(self, embedder: Embedder, asked: Asked, chunk: Sequence[str]) -> None:
        path = self._path(embedder, asked.instruction, chunk)
        if path is None:
            return
        path.parent.mkdir(exist_ok=True)
        answers = np.frombuffer(json.dumps(asked.answers).encode(), np.uint8)
        with put_in_place(path) as part, part.open("wb") as file:
            np.savez(file, vectors=asked.vectors.astype(np.float32), answers=answers)


@contextmanager
def put_in_place(path: Path) -> Iterator[Path]:
    """A path to write to; the file becomes ``path`` when the block ends well, and is removed when it does not."""
    part = path.with_name(f".part-{os.getpid()}-{path.name}")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): give another place or make room.") from None
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _advancing(total: int) -> Iterator[Callable[[int], None]]:
    if not total:
        yield lambda count: None
        return
    with bar() as progress:
        task = progress.add_task("texts", total=total)
        yield lambda count: progress.advance(task, count)


def _joined(question: str, parts: Sequence[Asked | None], dimension: int) -> Asked:
    whole = [part for part in parts if part is not None]
    vectors = [part.vectors for part in whole] or [np.zeros((0, dimension), np.float32)]
    return Asked(question, np.concatenate(vectors), [answer for part in whole for answer in part.answers])


def _hash(strings: Sequence[str]) -> str:
    """A short hash of a list of strings that depends on where each ends."""
    digest = hashlib.blake2b(digest_size=16)
    for string in strings:
        data = string.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()
