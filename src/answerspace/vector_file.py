"""The vector file: a file's texts embedded under questions and written by the suffix of its name.

    .npy          (n, d) for one question, (q, n, d) for several
    .safetensors  one (n, d) tensor per question, named by the question
    .parquet      the input columns and a list column per question, null where there is no text

Row i is row i of the input. A row without a text is zero in .npy and .safetensors.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from safetensors.numpy import save_file

from answerspace.analysis import Source, read_texts, truncation_notes
from answerspace.answer_store import AnswerStore, put_in_place
from answerspace.answers import Array
from answerspace.corpus_clustering import checked_questions
from answerspace.embedder import DEFAULT_BATCH, Embedder
from answerspace.errors import InputError
from answerspace.similarity import unit_rows
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
    found = read_texts(source)
    for note in found.notes:
        tell(note)
    embedder = load()
    for note in truncation_notes(embedder, found.texts):
        tell(note)
    work = path.with_name(path.name + ".work")
    try:
        store = AnswerStore(work)
    except OSError as error:
        raise InputError(f"The folder of {path} cannot be written ({error.strerror}): give another --output.") from None
    distinct = list(dict.fromkeys(found.texts))
    place = {text: i for i, text in enumerate(distinct)}
    inverse = [place[text] for text in found.texts]
    vectors = {}
    for one in store.answers(embedder, distinct, asked, batch_size=batch_size, show_progress=show_progress):
        full = np.zeros((found.frame.height, one.vectors.shape[1]), np.float32)
        full[found.rows] = (unit_rows(one.vectors) if normalize else one.vectors)[inverse]
        vectors[one.instruction] = full
    with put_in_place(path) as part:
        WRITERS[path.suffix](part, vectors, found.frame, found.rows)
    shutil.rmtree(work)
    return vectors


def _write_npy(path: Path, vectors: Mapping[str, Array], frame: pl.DataFrame, rows: Sequence[int]) -> None:
    arrays = list(vectors.values())
    with path.open("wb") as file:
        np.save(file, arrays[0] if len(arrays) == 1 else np.stack(arrays))


def _write_safetensors(path: Path, vectors: Mapping[str, Array], frame: pl.DataFrame, rows: Sequence[int]) -> None:
    save_file(dict(vectors), path)


def _write_parquet(path: Path, vectors: Mapping[str, Array], frame: pl.DataFrame, rows: Sequence[int]) -> None:
    there = np.isin(np.arange(frame.height), rows)
    columns = [
        pl.Series(question, [row.tolist() if has else None for row, has in zip(array, there, strict=True)]).cast(
            pl.List(pl.Float32)
        )
        for question, array in vectors.items()
    ]
    write_parquet(frame.with_columns(columns), path)


WRITERS = {".npy": _write_npy, ".parquet": _write_parquet, ".safetensors": _write_safetensors}
