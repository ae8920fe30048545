"""The output folder of a clustering: whose it is, and the files in it.

report.html  clusters.parquet  clusters.csv  summary.json  .work/ (the answer store)
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from answerspace.answer_store import AnswerStore, put_in_place
from answerspace.errors import InputError
from answerspace.report import write_report
from answerspace.results import Cluster, CorpusResult, QuestionResult
from answerspace.tables import write_csv, write_parquet

WORK = ".work"
WORDS_PER_ROW = 5
DRAWN = 20_000  # texts in the report of a larger corpus
MADE_BY = "answerspace"  # the key in summary.json by which a folder is known as ours


class OutputFolder:
    """A folder that may be written to: new, empty, or written by an earlier run. InputError otherwise.

    ``force`` takes a folder that holds other files; they are left alone unless they have the names of ours.
    """

    def __init__(self, path: str | Path, *, force: bool = False) -> None:
        self.path = Path(path)
        try:
            if self.path.is_dir() and any(self.path.iterdir()) and not force and not self._is_ours():
                raise InputError(
                    f"The output folder {self.path} holds other files: give another --output, or --force to add to it."
                )
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / ".writable"
            probe.touch()
            probe.unlink()
        except FileExistsError:
            raise InputError(f"The output {self.path} is a file, not a folder: give another --output.") from None
        except OSError as error:
            raise InputError(
                f"The output folder {self.path} cannot be written ({error.strerror}): give another --output."
            ) from None

    def store(self) -> AnswerStore:
        """The answers kept for the next run."""
        return AnswerStore(self.path / WORK)

    def write(
        self, result: CorpusResult, frame: pl.DataFrame, rows: Sequence[int], notes: Sequence[str]
    ) -> dict[str, Any]:
        """Write every file; text i of the result is row ``rows[i]`` of the frame. Returns the summary as written."""
        table = clusters_frame(frame, result, rows)
        content = summary(result, notes)
        with put_in_place(self.path / "clusters.parquet") as part:
            write_parquet(table, part)
        with put_in_place(self.path / "clusters.csv") as part:
            write_csv(table, part)
        with put_in_place(self.path / "report.html") as part:
            write_report(drawn(result), part)
        with put_in_place(self.path / "summary.json") as part:
            part.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        return content

    def _is_ours(self) -> bool:
        if (self.path / WORK / "README.txt").exists():
            return True
        try:
            return MADE_BY in json.loads((self.path / "summary.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError):
            return False


def drawn(result: CorpusResult, most: int = DRAWN, seed: int = 0) -> CorpusResult:
    """The result as the report shows it: up to about ``most`` texts, drawn at random beside the typical ones.

    Sizes, words and scores stay those of the whole; a page with a million texts would open in no browser.
    """
    n = len(result.texts)
    if n <= most:
        return result
    typical = {row for question in result.questions for cluster in question.clusters for row in cluster.typical}
    some = np.random.default_rng(seed).choice(n, most, replace=False)
    rows = np.union1d(some, sorted(typical)).astype(np.int64)
    place = {row: i for i, row in enumerate(rows.tolist())}
    questions = [
        replace(
            question,
            labels=question.labels[rows],
            positions=question.positions[rows],
            answers=[question.answers[row] for row in rows],
            clusters=[replace(one, typical=[place[row] for row in one.typical]) for one in question.clusters],
        )
        for question in result.questions
    ]
    facts = {**result.facts, "Drawn here": f"{len(rows):,} of the texts, at random"}
    gold = None if result.gold is None else [result.gold[row] for row in rows]
    return CorpusResult(result.title, [result.texts[row] for row in rows], questions, facts, gold)


def clusters_frame(frame: pl.DataFrame, result: CorpusResult, rows: Sequence[int]) -> pl.DataFrame:
    """The input with five more columns per question: its name and _cluster, _words, _answer, _x, _y.

    Rows that were not clustered have null in all of them. ``_words`` are those of the row's cluster.
    """
    added: list[pl.Series] = []
    for question, stem in zip(result.questions, column_stems(result.questions, frame.columns), strict=True):
        words = {cluster.label: ", ".join(cluster.words[:WORDS_PER_ROW]) for cluster in question.clusters}
        columns: dict[str, tuple[Sequence[Any], Any]] = {
            "cluster": (question.labels.tolist(), pl.Int64),
            "words": ([words[label] for label in question.labels.tolist()], pl.String),
            "answer": (question.answers, pl.String),
            "x": (np.round(question.positions[:, 0], 4).tolist(), pl.Float32),
            "y": (np.round(question.positions[:, 1], 4).tolist(), pl.Float32),
        }
        for name, (values, dtype) in columns.items():
            cells: list[Any] = [None] * frame.height
            for row, value in zip(rows, values, strict=True):
                cells[row] = value
            added.append(pl.Series(f"{stem}_{name}", cells, dtype=dtype))
    return frame.with_columns(added)


def column_stems(questions: Sequence[QuestionResult], taken: Sequence[str]) -> list[str]:
    """A short column name per question, made of its words: "What is it about?" gives what_is_it_about.

    Never one that another question has or that begins a column already there.
    """
    stems: list[str] = []
    for place, question in enumerate(questions, 1):
        stem = wanted = (
            re.sub(r"\W+", "_", question.question.lower()).strip("_")[:40].rstrip("_") or f"question_{place}"
        )
        repeat = 2
        while stem in stems or any(name.startswith(f"{stem}_") for name in taken):
            stem, repeat = f"{wanted}_{repeat}", repeat + 1
        stems.append(stem)
    return stems


def summary(result: CorpusResult, notes: Sequence[str]) -> dict[str, Any]:
    """The result without its rows, ready for JSON."""
    from answerspace import __version__

    return {
        MADE_BY: __version__,
        "title": result.title,
        "facts": result.facts,
        "notes": list(notes),
        "questions": [
            {
                "question": question.question,
                "method": question.method,
                "scores": question.scores,
                "clusters": [_cluster_summary(cluster, result.texts) for cluster in question.clusters],
            }
            for question in result.questions
        ],
    }


def _cluster_summary(cluster: Cluster, texts: Sequence[str]) -> dict[str, Any]:
    gold = {} if cluster.label_counts is None else {"labels": cluster.label_counts, "entropy": cluster.entropy}
    return {
        "cluster": cluster.label,
        "size": cluster.size,
        "words": cluster.words,
        "head_words": cluster.head_words,
        "typical": [texts[row][:500] for row in cluster.typical],
        **gold,
    }
