"""The folder of a reading: one process at a time writes there, and a file is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from answerspace.errors import InputError

PART = ".part-"  # begins the name of a file that is being written


def folder_bytes(path: Path) -> int:
    """The size of a reading on disk."""
    return sum(one.stat().st_size for one in path.iterdir())


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


@contextmanager
def locked_folder(path: Path) -> Iterator[None]:
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


def _flush_folder(folder: Path) -> None:
    """So that a rename outlives a power cut."""
    if os.name != "posix":
        return
    held = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(held)
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
