"""The analysis of a file: read the table, cluster its texts under the questions, write the output folder.

Everything that can be wrong with the input is found before the model is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from answerspace.clustering import check_clusters
from answerspace.corpus_clustering import ClusterOptions, checked_questions, cluster_corpus
from answerspace.embedder import Embedder
from answerspace.errors import InputError
from answerspace.output_folder import OutputFolder
from answerspace.results import CorpusResult
from answerspace.tables import column_texts, read_table, text_column

DEFAULT_OUTPUT = "answerspace-report"


@dataclass(frozen=True)
class FileTexts:
    """What is read from a file: the texts that are there, their row numbers, and the whole frame."""

    texts: list[str]
    rows: list[int]
    frame: Any  # polars.DataFrame
    name: str
    notes: list[str]
    gold: list[str] | None = None


@dataclass(frozen=True)
class Source:
    """Where the texts come from; the fields are those of ``tables.read_table`` and two columns."""

    file: str
    column: str | None = None
    labels: str | None = None
    format: str | None = None
    encoding: str | None = None
    limit: int | None = None


@dataclass(frozen=True)
class Analysis:
    """A finished analysis: the result, the summary that was written, and where."""

    result: CorpusResult
    summary: dict[str, Any]
    folder: Path
    notes: list[str] = field(default_factory=list)


def analyse_file(
    source: Source,
    questions: Sequence[str],
    *,
    load: Callable[[], Embedder],
    output: str | Path = DEFAULT_OUTPUT,
    force: bool = False,
    options: ClusterOptions | None = None,
    title: str | None = None,
    model: str | None = None,
    tell: Callable[[str], None] = lambda note: None,
    show_progress: bool = False,
) -> Analysis:
    """Cluster the texts of a file under each question and write report, tables and summary to ``output``.

    ``load`` gives the embedder, once the input is known to be good; ``model`` is its name in the report. ``tell``
    hears of every oddity as it is found. Interrupted or not, what was computed is kept in ``output/.work`` and used
    by the next call.
    """
    chosen = options or ClusterOptions()
    asked = checked_questions(questions)
    check_clusters(chosen.clusters, chosen.method)
    found = read_texts(source)
    for note in found.notes:
        tell(note)
    if chosen.clusters != "auto" and len(found.texts) < chosen.clusters:
        raise InputError(
            f"There must be at least as many texts as clusters. Got {len(found.texts):,} for --clusters "
            f"{chosen.clusters}; give a smaller number, or auto."
        )
    folder = OutputFolder(output, force=force)
    embedder = load()
    notes = [*found.notes, *truncation_notes(embedder, found.texts)]
    for note in notes[len(found.notes) :]:
        tell(note)
    facts = {"Model": model or "the bundled model", "Weights": embedder.backbone.fingerprint}
    facts["Date"] = date.today().isoformat()
    result = cluster_corpus(
        embedder,
        found.texts,
        asked,
        options=chosen,
        gold=found.gold,
        store=folder.store(),
        title=title or found.name,
        facts=facts | ({"Notes": " ".join(notes)} if notes else {}),
        show_progress=show_progress,
    )
    return Analysis(result, folder.write(result, found.frame, found.rows, notes), folder.path, notes)


def read_texts(source: Source) -> FileTexts:
    """Read a file's texts and, when asked for, their gold labels. InputError when no cell holds a text."""
    table = read_table(source.file, format=source.format, encoding=source.encoding, limit=source.limit)
    column = text_column(table, source.column)
    cells, notes = column_texts(table.frame, column)
    rows = [row for row, text in enumerate(cells) if text]
    if not rows:
        raise InputError(
            f"Column {column!r} of {table.name} must hold at least one text. Got {len(cells):,} empty cells; "
            f"choose another --column of: {', '.join(table.frame.columns)}."
        )
    gold = None
    if source.labels is not None:
        labels, _ = column_texts(table.frame, text_column(table, source.labels))
        gold = [labels[row] for row in rows]
        if not any(gold):
            raise InputError(f"Column {source.labels!r} of {table.name} must hold a label. Got only empty cells.")
    return FileTexts([cells[row] for row in rows], rows, table.frame, table.name, table.notes + notes, gold)


def truncation_notes(embedder: Embedder, texts: Sequence[str]) -> list[str]:
    """A sentence when texts are longer than the model reads. A word takes at least one token."""
    longest = embedder.backbone.max_length
    cut = sum(len(text) > longest and len(text.split()) > longest for text in texts)
    if not cut:
        return []
    who = "1 text is" if cut == 1 else f"{cut:,} texts are"
    return [f"{who} longer than the {longest:,} tokens that the model reads; the rest is left out."]
