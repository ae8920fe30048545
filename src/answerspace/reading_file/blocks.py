"""A block of a reading: the texts of some rows and their states in one safetensors file, under a checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from answerspace.backbones.stored_states import StoredStates
from answerspace.errors import InputError
from answerspace.reading_file.folder import write_whole

NO_TEXT = -1
SAFETENSORS_TYPES = {"I64": np.int64, "I32": np.int32, "I8": np.int8, "U8": np.uint8, "F16": np.float16}
SAFETENSORS_TYPES |= {"F32": np.float32}


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


def block_path(folder: Path, number: int) -> Path:
    """Where block ``number`` lies."""
    return folder / f"block-{number:06d}.safetensors"


def write_block(path: Path, arrays: dict[str, npt.NDArray[Any]]) -> None:
    """Put a block in place whole, with the checksum of its arrays."""
    write_whole(path, save(arrays, metadata={"checksum": checksum(path.name, arrays)}))


def text_arrays(texts: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """A block's texts one behind the other in UTF-8, and where each ends."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    ends = np.cumsum([len(one) for one in encoded], dtype=np.int64)
    return {"texts": np.frombuffer(b"".join(encoded), np.uint8), "text_ends": ends}


def checksum(block: str, arrays: dict[str, npt.NDArray[Any]]) -> str:
    """BLAKE2b over the block's own name and the arrays' names, types, shapes and bytes."""
    digest = hashlib.blake2b(block.encode(), digest_size=16)
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    return digest.hexdigest()


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
