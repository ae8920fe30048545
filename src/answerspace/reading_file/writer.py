"""Adding a source to a reading on disk, block by block, so that a kill costs the block at hand at most."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from answerspace.backbones.stored_states import StoredStates, storage_of
from answerspace.batches import batches_by_length
from answerspace.errors import InputError
from answerspace.protocols import Backbone
from answerspace.reading_file.blocks import NO_TEXT, Block, block_path, text_arrays, write_block
from answerspace.reading_file.folder import PART, locked_folder
from answerspace.reading_file.index import INDEX, Index, SourceEntry, check_model, read_index, write_index

BLOCK_ROWS = 4096  # rows of the source in a block, at most
BLOCK_CHARACTERS = 65_536  # of new texts, as far as the model reads them: about 16,000 tokens, 80 MB of states
DEFAULT_BATCH = 32
CHARACTERS_A_TOKEN = 8  # more than a model reads of a text; what is cut off anyway does not fill a block
Row = str | None  # None for a row of the source that holds no text


class ReadingWriter:
    """Adds one source to a reading on disk; use as a context manager, which holds the folder's lock.

    ``done`` is True for a source that is in the file already; ``rows_kept`` counts the rows that an interrupted run
    left, which must not be given again. Then ``add`` the rest in order and ``finish``.
    Raises InputError for a folder that is something else, is written by another process, holds another model's
    reading, or another source that is unfinished.
    """

    def __init__(
        self,
        path: str | Path,
        backbone: Backbone,
        name: str,
        digest: str,
        *,
        batch_size: int,
        states: Callable[[list[str]], StoredStates] | None = None,
    ) -> None:
        self.path = Path(path)
        self._backbone = backbone
        self._states = states or self._read_states
        self._source = SourceEntry(name, digest)
        self._batch_size = batch_size
        self._pending: list[Row] = []
        self._characters = 0
        self._written = 0  # blocks
        self._rows = self.rows_kept = 0
        self._places: dict[bytes, int] = {}
        self._index: Index

    def __enter__(self) -> ReadingWriter:
        self._lock = locked_folder(self.path)
        self._lock.__enter__()
        try:
            self._open()
        except BaseException as error:
            self._lock.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, *error: Any) -> None:
        self._lock.__exit__(*error)

    def add(self, row: Row) -> None:
        """The next row of the source; a block is written whenever one is full."""
        self._pending.append(row)
        if row is not None and _digest(row) not in self._places:
            self._characters += min(len(row), CHARACTERS_A_TOKEN * self._backbone.max_length)
        if len(self._pending) == BLOCK_ROWS or self._characters >= BLOCK_CHARACTERS:
            self._write_block()

    def finish(self) -> SourceEntry:
        """Write what is left and mark the source as complete."""
        if self._pending:
            self._write_block()
        before = sum(source.blocks or 0 for source in self._index.sources[:-1])
        entry = SourceEntry(self._source.name, self._source.digest, self._rows, self._written - before)
        self._index = Index(self._index.fingerprint, self._index.storage, [*self._index.sources[:-1], entry])
        write_index(self.path, self._index)
        return entry

    # --- steps ---------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        storage = storage_of(self._backbone)
        kind = self._backbone.kind if storage else "texts"
        if (self.path / INDEX).exists():
            self._index = read_index(self.path)
            check_model(self.path, self._index, self._backbone)
        elif any(not one.name.startswith(PART) for one in self.path.iterdir()):
            raise InputError(f"--output must be a new folder or a reading. {self.path} holds other files.")
        else:
            self._index = Index(self._backbone.fingerprint, kind)
        self.done = any(one.digest == self._source.digest and one.rows is not None for one in self._index.sources)
        unfinished = self._index.unfinished
        if unfinished is not None and unfinished.digest != self._source.digest:
            raise InputError(
                f"A reading takes one file after the other. {self.path} was stopped while reading {unfinished.name}: "
                "read that file again first, or give another --output."
            )
        if self.done:
            return
        if unfinished is None:
            self._index = Index(self._index.fingerprint, self._index.storage, [*self._index.sources, self._source])
            write_index(self.path, self._index)
        self._take_up()

    def _take_up(self) -> None:
        """Learn which texts are there, and how many rows of the unfinished source."""
        for left in self.path.glob(f"{PART}*"):
            left.unlink(missing_ok=True)
        finished = sum(source.blocks or 0 for source in self._index.sources[:-1])
        while (path := block_path(self.path, self._written)).exists():
            block = Block(path)
            block.verify()
            for text in block.texts(0, block.count):
                self._places[_digest(text)] = len(self._places)
            if self._written >= finished:
                self._rows += len(block.rows)
            self._written += 1
        if self._written < finished:
            raise InputError(f"Every block of a reading must be there. {path} is missing: read its files again.")
        self.rows_kept = self._rows

    def _write_block(self) -> None:
        rows = self._pending
        fresh: dict[bytes, str] = {}
        for row in rows:
            if row is not None and (key := _digest(row)) not in self._places:
                fresh.setdefault(key, row)
        texts = list(fresh.values())
        order = batches_by_length(texts, self._batch_size)
        placed = [texts[i] for batch in order for i in batch]
        for text in placed:
            self._places[_digest(text)] = len(self._places)
        arrays = {
            "rows": np.array([NO_TEXT if r is None else self._places[_digest(r)] for r in rows], np.int64),
            "batches": np.array([len(batch) for batch in order], np.int64),
            **text_arrays(placed),
            **self._state_arrays([[texts[i] for i in batch] for batch in order]),
        }
        write_block(block_path(self.path, self._written), arrays)
        self._written += 1
        self._rows += len(rows)
        self._pending, self._characters = [], 0

    def _state_arrays(self, batches: list[list[str]]) -> dict[str, npt.NDArray[Any]]:
        storage = storage_of(self._backbone)
        if storage is None or not batches:
            return {}
        whole = _joined([self._states(batch) for batch in batches])
        return {name: getattr(whole, name) for name in ("lengths", "codes", "scales", "whole")}

    def _read_states(self, batch: list[str]) -> StoredStates:
        storage = storage_of(self._backbone)
        assert storage is not None  # else it is not asked for
        return storage.pack(self._backbone.read(batch))


def save_reading(
    path: str | Path, backbone: Backbone, rows: Sequence[str], parts: Iterable[tuple[Sequence[str], Any]], name: str
) -> None:
    """Write (or add) the rows of a reading in memory; ``parts`` are its batches: texts and what was read of them."""
    storage = storage_of(backbone)
    held: dict[str, tuple[Any, int]] = {}
    for texts, read in parts if storage else []:
        packed = storage.pack(read) if storage else None
        held |= {text: (packed, i) for i, text in enumerate(texts)}

    def states(batch: list[str]) -> StoredStates:
        return _joined([packed.part(i, i + 1) for packed, i in (held[text] for text in batch) if packed is not None])

    whole = hashlib.blake2b(digest_size=16)
    for row in rows:
        whole.update(_digest(row))
    with ReadingWriter(path, backbone, name, whole.hexdigest(), batch_size=DEFAULT_BATCH, states=states) as writer:
        if not writer.done:
            for row in rows[writer.rows_kept :]:
                writer.add(row)
            writer.finish()


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _joined(parts: Sequence[StoredStates]) -> StoredStates:
    """The states of several batches, one after the other."""
    wide = max(parts, key=lambda one: one.codes.size)  # a batch of empty texts may not know the layout
    groups = wide.codes.shape[1:]
    return StoredStates(
        np.concatenate([one.lengths for one in parts]),
        np.concatenate([one.codes.reshape(-1, *groups) for one in parts]),
        np.concatenate([one.scales.reshape(-1, groups[0]) for one in parts]),
        np.concatenate([one.whole for one in parts]),
    )
