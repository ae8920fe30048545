"""A reading on disk: a folder of blocks that is only ever added to, and that asking maps into memory.

    corpus.reading/
      reading.json             format, model fingerprint, and one entry per source: its name, its digest, its rows
      block-000000.safetensors the texts of some rows and their states, with a checksum over all of it

A source (a file, or the texts of one ``Reading.save``) is cut into blocks by its rows alone, so the same source gives
the same bytes whether or not it was interrupted. A block is written beside its place, flushed, and renamed: after a
kill it is there whole or not at all, and the next run goes on behind the last one. A text is stored once per file.
Knows backbones by protocol, and no tables.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from answerspace.backbones.stored_states import StoredStates, storage_of
from answerspace.batches import batches_by_length
from answerspace.errors import InputError
from answerspace.protocols import Backbone

FORMAT = 1
INDEX = "reading.json"
PART = ".part-"  # begins the name of a file that is being written
BLOCK_ROWS = 4096  # rows of the source in a block, at most
BLOCK_CHARACTERS = 65_536  # of new texts, as far as the model reads them: about 16,000 tokens, 80 MB of states
DEFAULT_BATCH = 32
CHARACTERS_A_TOKEN = 8  # more than a model reads of a text; what is cut off anyway does not fill a block
NO_TEXT = -1
Row = str | None  # None for a row of the source that holds no text


@dataclass(frozen=True)
class SourceEntry:
    """A source in the index: ``digest`` tells it from others; ``rows`` and ``blocks`` are None until it is complete."""

    name: str
    digest: str
    rows: int | None = None
    blocks: int | None = None


@dataclass(frozen=True)
class Index:
    """What reading.json says. ``storage`` is the kind of backbone whose states are kept, "texts" if none are."""

    fingerprint: str
    storage: str
    sources: list[SourceEntry] = field(default_factory=list)

    @property
    def unfinished(self) -> SourceEntry | None:
        """The source that was being read when its run ended."""
        return self.sources[-1] if self.sources and self.sources[-1].rows is None else None


# --- asking ------------------------------------------------------------------------------------------------------


class ReadingFile:
    """A finished reading on disk, opened for one model; without one only its texts can be looked at.

    ``inverse`` (n,) says for each row which distinct text it holds, NO_TEXT where the source had none.
    Raises InputError for a folder that is no reading, one that is unfinished, damaged, or made by another model.
    """

    def __init__(self, path: str | Path, backbone: Backbone | None = None) -> None:
        self.path = Path(path)
        index = read_index(self.path)
        if backbone is not None:
            check_model(self.path, index, backbone)
            self._backbone = backbone
        if index.unfinished is not None:
            raise InputError(
                f"A reading must be complete to be asked. {self.path} was stopped while reading "
                f"{index.unfinished.name}: run answerspace read on that file again to finish it."
            )
        self.sources = index.sources
        count = sum(source.blocks or 0 for source in index.sources)
        self._blocks = [Block(block_path(self.path, i)) for i in range(count)]
        starts = np.cumsum([0, *(block.count for block in self._blocks)])
        self._starts = starts
        found = [block.rows for block in self._blocks]
        self.inverse = np.concatenate(found) if found else np.zeros(0, np.int64)

    @property
    def fingerprint(self) -> str | None:
        """Of the model and of how its states are kept: their answers are not to the last bit the model's own."""
        storage = storage_of(self._backbone)
        return self._backbone.fingerprint + ("+int8" if storage else "")

    @property
    def distinct(self) -> DistinctTexts:
        """The distinct texts, taken from the disk as they are looked at."""
        return DistinctTexts(self._blocks, self._starts)

    @property
    def names(self) -> list[str]:
        """The sources' names."""
        return [source.name for source in self.sources]

    def __len__(self) -> int:
        """The number of batches."""
        return sum(len(block.batches) for block in self._blocks)

    def parts(self) -> Iterator[tuple[list[int], Callable[[], Any]]]:
        """The batches in the order of the file: the distinct texts' numbers, and what gives the batch as it was read.

        A block's checksum is verified when its first batch is loaded.
        """
        for block, start in zip(self._blocks, self._starts[:-1].tolist(), strict=True):
            at = 0
            for size in block.batches.tolist():
                load = partial(self._load, block, at, at + size)
                yield list(range(start + at, start + at + size)), load
                at += size

    def _load(self, block: Block, start: int, stop: int) -> Any:
        block.verify()
        texts = block.texts(start, stop)
        storage = storage_of(self._backbone)
        if storage is None:
            return self._backbone.read(texts)
        return storage.unpack(self._backbone, texts, block.states.part(start, stop))


class Block:
    """One block file. Only its row numbers stay in memory; texts and states are mapped while they are used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        arrays, _ = self._map()
        self.rows: npt.NDArray[np.int64] = np.array(arrays["rows"])
        self.batches: npt.NDArray[np.int64] = np.array(arrays["batches"])
        self.count = int(self.batches.sum())
        self._verified = False

    def verify(self) -> None:
        """Raise InputError unless the content has the checksum that was written with it. Looks once."""
        if self._verified:
            return
        arrays, told = self._map()
        if checksum(self.path.name, arrays) != told:
            raise self._damaged()
        self._verified = True

    def texts(self, start: int, stop: int) -> list[str]:
        """Texts ``start`` to ``stop`` of the block."""
        if start == stop:  # a block of rows whose texts were all there before
            return []
        arrays, _ = self._map()
        ends, data = arrays["text_ends"], arrays["texts"]
        first = int(ends[start - 1]) if start else 0
        edges = ends[start:stop].tolist()
        whole = data[first : edges[-1]].tobytes()
        starts = [first, *edges[:-1]]
        return [
            whole[one - first : other - first].decode("utf-8", "surrogatepass")
            for one, other in zip(starts, edges, strict=True)
        ]

    @property
    def states(self) -> StoredStates:
        """The states of all texts of the block, mapped."""
        arrays, _ = self._map()
        return StoredStates(arrays["lengths"], arrays["codes"], arrays["scales"], arrays["whole"])

    def _map(self) -> tuple[dict[str, npt.NDArray[Any]], str]:
        try:
            return mapped_tensors(self.path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged() from error

    def _damaged(self) -> InputError:
        return InputError(
            f"Every block of a reading must be as it was written. {self.path} is missing or damaged: remove "
            f"{self.path.parent} and read its files again."
        )


class DistinctTexts(Sequence[str]):
    """The distinct texts of a reading by number, decoded one block at a time."""

    def __init__(self, blocks: list[Block], starts: npt.NDArray[np.int64]) -> None:
        self._blocks = blocks
        self._starts = starts
        self._held = -1
        self._texts: list[str] = []

    def __len__(self) -> int:
        return int(self._starts[-1])

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        number = place % len(self)
        at = int(np.searchsorted(self._starts, number, side="right")) - 1
        if at != self._held:
            block = self._blocks[at]
            self._held, self._texts = at, block.texts(0, block.count)
        return self._texts[number - int(self._starts[at])]


# --- writing -----------------------------------------------------------------------------------------------------


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
        self._lock = _locked_folder(self.path)
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
            **_text_arrays(placed),
            **self._state_arrays([[texts[i] for i in batch] for batch in order]),
        }
        path = block_path(self.path, self._written)
        write_whole(path, save(arrays, metadata={"checksum": checksum(path.name, arrays)}))
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


# --- files -------------------------------------------------------------------------------------------------------


def block_path(folder: Path, number: int) -> Path:
    """Where block ``number`` lies."""
    return folder / f"block-{number:06d}.safetensors"


def is_reading(path: str | Path) -> bool:
    """Whether the path is a reading on disk, finished or not."""
    return (Path(path) / INDEX).is_file()


def folder_bytes(path: Path) -> int:
    """The size of a reading on disk."""
    return sum(one.stat().st_size for one in path.iterdir())


def read_index(folder: Path) -> Index:
    """The index of a reading. InputError when there is none, or one this version does not know."""
    try:
        stored = json.loads((folder / INDEX).read_text("utf-8"))
        if stored["format"] != FORMAT:
            raise InputError(
                f"A reading must be of format {FORMAT}. {folder} is of format {stored['format']}: read the texts again "
                "with this version of answerspace, or ask with the one that wrote it."
            )
        sources = [SourceEntry(**source) for source in stored["sources"]]
        return Index(str(stored["fingerprint"]), str(stored["storage"]), sources)
    except OSError:
        raise InputError(f"There is no reading {str(folder)!r}: make one with answerspace read FILE -o NAME.") from None
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"The index {folder / INDEX} is damaged: read the texts again.") from None


def write_index(folder: Path, index: Index) -> None:
    """Put the index in place whole."""
    stored: dict[str, Any] = {"format": FORMAT, "fingerprint": index.fingerprint, "storage": index.storage}
    stored["sources"] = [asdict(source) for source in index.sources]
    write_whole(folder / INDEX, (json.dumps(stored, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "replace"))


def check_model(folder: Path, index: Index, backbone: Backbone) -> None:
    """Raise InputError unless the reading was made by this very model."""
    if index.fingerprint != backbone.fingerprint:
        raise InputError(
            f"A reading must be used with the model that made it. {folder} was made by {index.fingerprint}, and this "
            f"is {backbone.fingerprint}: give that model with --model, or read the texts again."
        )


def write_whole(path: Path, data: bytes) -> None:
    """Write beside the place, flush to the disk, rename: a kill leaves the old file or the new one."""
    part = path.with_name(PART + path.name)
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): make room or give another --output.") from None


def _flush_folder(folder: Path) -> None:
    """So that a rename outlives a power cut."""
    if os.name != "posix":
        return
    held = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(held)
    finally:
        os.close(held)


def checksum(block: str, arrays: dict[str, npt.NDArray[Any]]) -> str:
    """BLAKE2b over the block's own name and the arrays' names, types, shapes and bytes."""
    digest = hashlib.blake2b(block.encode(), digest_size=16)
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    return digest.hexdigest()


SAFETENSORS_TYPES = {"I64": np.int64, "I32": np.int32, "I8": np.int8, "U8": np.uint8, "F16": np.float16}
SAFETENSORS_TYPES |= {"F32": np.float32}


def mapped_tensors(path: Path) -> tuple[dict[str, npt.NDArray[Any]], str]:
    """The tensors of a safetensors file as views of the mapped file, and the checksum in its header.

    The library's own reader copies what it gives; here a page is in memory while it is looked at and no longer.
    """
    whole = np.memmap(path, np.uint8, mode="r")
    size = int(whole[:8].view(np.uint64)[0])
    if size > len(whole) - 8:
        raise ValueError("header")
    header = json.loads(whole[8 : 8 + size].tobytes())
    body = whole[8 + size :]
    told = header.pop("__metadata__")["checksum"]
    arrays = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        if last > len(body):
            raise ValueError("cut short")
        view = body[first:last].view(SAFETENSORS_TYPES[entry["dtype"]])
        arrays[name] = view.reshape(entry["shape"])
    return arrays, str(told)


@contextmanager
def _locked_folder(path: Path) -> Iterator[None]:
    """The folder, made if need be, held against other processes while the block runs (where the system can)."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        held = os.open(path, os.O_RDONLY)
    except FileExistsError:
        raise InputError(f"--output must be a folder, as a reading is. {path} is a file.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): give another --output.") from None
    try:
        _lock(held, path)
        yield
    finally:
        os.close(held)


def _lock(held: int, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # no such lock on Windows
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(f"One process at a time adds to a reading. Another is writing {path}: wait for it.") from None


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _text_arrays(texts: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    ends = np.cumsum([len(one) for one in encoded], dtype=np.int64)
    return {"texts": np.frombuffer(b"".join(encoded), np.uint8), "text_ends": ends}


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
