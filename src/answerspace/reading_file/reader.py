"""A reading on disk that is asked: its batches and its distinct texts, mapped while they are used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from answerspace.backbones.stored_states import storage_of
from answerspace.errors import InputError
from answerspace.protocols import Backbone
from answerspace.reading_file.blocks import Block, block_path
from answerspace.reading_file.index import check_model, read_index


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
