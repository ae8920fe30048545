"""The reading of a file: its texts, streamed through the model once, into a reading on disk that can be asked for good.

An interrupted or killed call leaves finished blocks; the same call goes on behind them and ends with the same bytes.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from answerspace.analysis import count_cut, cut_notes
from answerspace.embedder import DEFAULT_BATCH, Embedder
from answerspace.errors import InputError
from answerspace.progress import advancing
from answerspace.reading_file.folder import folder_bytes
from answerspace.reading_file.index import is_reading
from answerspace.reading_file.writer import ReadingWriter
from answerspace.source_texts import Source, TextStream


@dataclass(frozen=True)
class ReadingDone:
    """What ``read_file`` did: ``rows`` of the source, of which ``kept`` were there from a run before, and the size."""

    path: Path
    rows: int
    kept: int
    bytes: int
    there: bool  # the source was in the reading already


def read_file(
    source: Source,
    output: str | Path,
    *,
    load: Callable[[], Embedder],
    batch_size: int = DEFAULT_BATCH,
    tell: Callable[[str], None] = lambda note: None,
    show_progress: bool = False,
) -> ReadingDone:
    """Read a file's texts into the reading at ``output``, new or one that other files were read into.

    Takes the file piece by piece. A file that is in the reading already is not read again, whatever its name; what
    tells files apart is a hash of their bytes and the options that say which texts to take.
    """
    path = Path(output)
    if is_reading(source.file):
        raise InputError(f"answerspace read takes a file of texts. Got the reading {source.file}; it can be asked.")
    with ExitStack() as stack:
        source = stack.enter_context(_on_disk(source))
        texts = TextStream(source)
        digest = source_digest(source, texts.column)
        embedder = load()
        writer = stack.enter_context(ReadingWriter(path, embedder.backbone, texts.name, digest, batch_size=batch_size))
        if writer.done:
            return ReadingDone(path, 0, 0, folder_bytes(path), True)
        advance = stack.enter_context(advancing("texts") if show_progress else nullcontext(_nothing))
        row = cut = 0
        for piece in texts:
            cut += count_cut(embedder, piece.texts)
            for text in piece.texts:
                if row >= writer.rows_kept:
                    writer.add(text or None)
                row += 1
                advance(1)
        if row < writer.rows_kept:
            raise InputError(f"The file must not change while it is read. {texts.name} has fewer rows than before.")
        writer.finish()
    for note in [*texts.notes, *cut_notes(embedder, cut)]:
        tell(note)
    return ReadingDone(path, row, writer.rows_kept, folder_bytes(path), False)


def source_digest(source: Source, column: str) -> str:
    """Tells sources apart: the bytes of the file, and which of its texts are taken."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr((column, source.format, source.encoding, source.limit)).encode("utf-8", "surrogatepass"))
    with Path(source.file).open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


@contextmanager
def _on_disk(source: Source) -> Iterator[Source]:
    """The source as a file: standard input is copied to a temporary one, so that it can be told from others."""
    if source.file != "-":
        yield source
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "standard input"
        with copy.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield replace(source, file=str(copy))


def _nothing(count: int) -> None:
    pass
