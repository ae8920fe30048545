"""The index of a reading on disk: which model made it, and which sources are in it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from answerspace.errors import InputError
from answerspace.protocols import Backbone
from answerspace.reading_file.folder import write_whole

FORMAT = 1
INDEX = "reading.json"


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


def is_reading(path: str | Path) -> bool:
    """Whether the path is a reading on disk, finished or not."""
    return (Path(path) / INDEX).is_file()


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
