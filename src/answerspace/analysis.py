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
from answerspace.source_texts import Source, read_texts

DEFAULT_OUTPUT = "answerspace-report"


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
        reading=source.reading,
        title=title or found.name,
        facts=facts | ({"Notes": " ".join(notes)} if notes else {}),
        show_progress=show_progress,
    )
    return Analysis(result, folder.write(result, found.frame, found.rows, notes), folder.path, notes)


def truncation_notes(embedder: Embedder, texts: Sequence[str]) -> list[str]:
    """A sentence when texts are longer than the model reads."""
    return cut_notes(embedder, count_cut(embedder, texts))


def count_cut(embedder: Embedder, texts: Sequence[str]) -> int:
    """How many texts are longer than the model reads. A word takes at least one token."""
    longest = embedder.backbone.max_length
    return sum(len(text) > longest and len(text.split()) > longest for text in texts)


def cut_notes(embedder: Embedder, cut: int) -> list[str]:
    """The sentence that says so."""
    if not cut:
        return []
    who = "1 text is" if cut == 1 else f"{cut:,} texts are"
    return [
        f"{who} longer than the {embedder.backbone.max_length:,} tokens that the model reads; the rest is left out."
    ]
