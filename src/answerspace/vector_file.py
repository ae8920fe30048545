"""The vector file: a file's texts embedded under questions and written by the suffix of its name.

    .npy          (n, d) for one question, (q, n, d) for several
    .safetensors  one (n, d) tensor per question, named by the question
    .parquet      the input columns and a list column per question, null where there is no text

Row i is row i of the input. A row without a text is zero in .npy and .safetensors.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl

from answerspace.analysis import count_cut, cut_notes
from answerspace.answer_store import AnswerStore, put_in_place
from answerspace.answers import Array
from answerspace.corpus_clustering import checked_questions
from answerspace.disk_arrays import let_go, pieces
from answerspace.embedder import DEFAULT_BATCH, Embedder
from answerspace.errors import InputError
from answerspace.questioning import Asked
from answerspace.source_texts import Source, TextStream, read_texts
from answerspace.tables import write_parquet


def embed_file(
    source: Source,
    questions: Sequence[str],
    output: str | Path,
    *,
    load: Callable[[], Embedder],
    normalize: bool = True,
    batch_size: int = DEFAULT_BATCH,
    tell: Callable[[str], None] = lambda note: None,
    show_progress: bool = False,
) -> dict[str, Array]:
    """Embed a file's texts under each question and write ``output``; returns the (n, d) vectors by question.

    Until the file is written, what was computed is kept beside it in ``<output>.work``, and the same call resumes.
    """
    path = Path(output)
    if path.suffix not in WRITERS:
        raise InputError(f"--output must end in {', '.join(WRITERS)}. Got {str(output)!r}.")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise InputError(f"--output must be a file in a folder that exists. Got {str(output)!r}.")
    asked = checked_questions(questions)
    found = _ReadingTexts(source.reading) if source.reading is not None else TextStream(source)
    embedder = load()
    work = path.with_name(path.name + ".work")
    try:
        keeping = AnswerStore(work).cached(embedder)
    except OSError as error:
        raise InputError(f"The folder of {path} cannot be written ({error.strerror}): give another --output.") from None
    cut = 0
    made = Columns(work, asked)
    for frame, texts in found:
        cut += count_cut(embedder, texts)
        if isinstance(found, _ReadingTexts):
            answered = keeping.open_reading(found.path).ask_and_answer(
                asked, normalize=normalize, show_progress=show_progress
            )
        else:
            answered = _answered(keeping, texts, asked, normalize, batch_size, show_progress)
        made.add(answered, frame if path.suffix == ".parquet" else None, [bool(text) for text in texts])
    for note in [*found.notes, *cut_notes(embedder, cut)]:
        tell(note)
    vectors = made.arrays()
    with put_in_place(path) as part:
        WRITERS[path.suffix](part, made)
    if keeping.cache is not None and keeping is not embedder:
        keeping.cache.close()
    shutil.rmtree(work)
    return vectors


class _ReadingTexts:
    """A reading's rows in one piece, as a TextStream gives those of a file."""

    notes: Sequence[str] = ()

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[tuple[pl.DataFrame, list[str]]]:
        frame = read_texts(Source(str(self.path))).frame
        yield frame, ["" if text is None else text for text in frame["text"].to_list()]


def _answered(
    embedder: Embedder, texts: list[str], questions: list[str], normalize: bool, batch_size: int, show_progress: bool
) -> list[Asked]:
    """One Asked per question over all rows; a row without a text has a zero vector."""
    rows = [row for row, text in enumerate(texts) if text]
    answered = embedder.ask_and_answer(
        [texts[row] for row in rows],
        questions,
        normalize=normalize,
        batch_size=batch_size,
        show_progress=show_progress,
    )
    if len(rows) == len(texts):
        return answered
    spread = []
    for one in answered:
        full = np.zeros((len(texts), one.vectors.shape[1]), np.float32)
        full[rows] = one.vectors
        spread.append(Asked(one.instruction, full, []))
    return spread


class Columns:
    """What goes to the file, collected on the disk: the vectors of each question, and pieces of a Parquet file."""

    def __init__(self, folder: Path, questions: Sequence[str]) -> None:
        self.folder = folder
        self.questions = list(questions)
        self.rows = 0
        self.width = 0
        self.parts: list[Path] = []
        self.raw = [folder / f"vectors-{place}.f32" for place in range(len(self.questions))]
        for path in self.raw:
            path.write_bytes(b"")

    def add(self, answered: Sequence[Asked], frame: pl.DataFrame | None, there: list[bool]) -> None:
        """The next rows: their vectors, and their frame where it is written too; ``there`` says which hold a text."""
        for path, one in zip(self.raw, answered, strict=True):
            with path.open("ab") as file:
                for piece in pieces(len(one.vectors)):
                    file.write(np.ascontiguousarray(one.vectors[piece], np.float32).data)
            let_go(one.vectors)
            self.width = one.vectors.shape[1]
        if frame is not None:
            for piece in pieces(frame.height):
                part = self.folder / f"part-{len(self.parts):06d}.parquet"
                rows = frame[piece.start : piece.stop]
                write_parquet(rows.with_columns(_list_columns(answered, piece, there[piece])), part)
                self.parts.append(part)
        self.rows += len(there)

    def arrays(self) -> dict[str, Array]:
        """The (n, d) vectors by question, mapped from the disk."""
        shape = (self.rows, self.width)
        return {
            q: np.memmap(path, np.float32, "r", shape=shape) for q, path in zip(self.questions, self.raw, strict=True)
        }

    def copy_to(self, file: BinaryIO) -> None:
        """The numbers of all questions, one after the other."""
        for path in self.raw:
            with path.open("rb") as raw:
                shutil.copyfileobj(raw, file, 1 << 20)


def _list_columns(answered: Sequence[Asked], piece: slice, there: list[bool]) -> list[pl.Series]:
    mask = pl.Series(there)
    return [
        pl.select(
            pl.when(mask)
            .then(pl.Series(np.ascontiguousarray(one.vectors[piece], np.float32)).cast(pl.List(pl.Float32)))
            .alias(one.instruction)
        ).to_series()
        for one in answered
    ]


def _write_npy(path: Path, made: Columns) -> None:
    shape = (made.rows, made.width) if len(made.raw) == 1 else (len(made.raw), made.rows, made.width)
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        made.copy_to(file)


def _write_safetensors(path: Path, made: Columns) -> None:
    """As the library's ``save_file``, which needs all tensors in memory."""
    size = 4 * made.rows * made.width
    header = {
        question: {"dtype": "F32", "shape": [made.rows, made.width], "data_offsets": [i * size, (i + 1) * size]}
        for i, question in enumerate(made.questions)
    }
    data = json.dumps(header).encode()
    data += b" " * (-len(data) % 8)
    with path.open("wb") as file:
        file.write(len(data).to_bytes(8, "little") + data)
        made.copy_to(file)


def _write_parquet(path: Path, made: Columns) -> None:
    pl.concat([pl.scan_parquet(part) for part in made.parts], how="diagonal_relaxed").sink_parquet(path)


WRITERS = {".npy": _write_npy, ".parquet": _write_parquet, ".safetensors": _write_safetensors}
