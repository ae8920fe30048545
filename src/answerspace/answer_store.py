"""The answer store: what is computed for one output lies beside it, so that nothing is computed twice.

The store is a cache (``vector_cache``) without a limit in a folder of its own: an interrupted run leaves its finished
batches, the same command goes on behind them, and a further question costs only itself. An embedder that has a cache
keeps to that one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from answerspace.embedder import Embedder
from answerspace.errors import InputError
from answerspace.vector_cache import VectorCache

STORE = "answers.sqlite"
README = """\
Vectors and answers that answerspace has computed, so that running the same command again, or with another
question, is a look-up. Safe to delete; it will be computed again.
"""


class AnswerStore:
    """The vectors and answers kept under ``folder``; with None nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "README.txt").write_text(README, encoding="utf-8")

    def cached(self, embedder: Embedder) -> Embedder:
        """The embedder as it computes into this store, unless it has a cache already."""
        if self.folder is None or embedder.cache is not None:
            return embedder
        return Embedder(embedder.backbone, embedder.settings, cache=VectorCache(self.folder / STORE, None))


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
