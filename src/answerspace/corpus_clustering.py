"""The clustering of a corpus under several questions: texts in, a CorpusResult out.

    texts or a reading of them -> vectors and answers (kept on disk) -> space -> clusters -> explanation
                                                                              -> positions

Equal texts are answered once; one question's vectors are looked at after the other's. Knows no files but the answer
store and the reading it is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from answerspace.answer_store import AnswerStore
from answerspace.answers import Array
from answerspace.clustering import agreement_scores, cluster_vectors, clustering_space
from answerspace.disk_arrays import let_go
from answerspace.embedder import DEFAULT_BATCH, Embedder
from answerspace.errors import InputError
from answerspace.explanation import explain
from answerspace.projection import align, project
from answerspace.questioning import Asked, checked_question
from answerspace.reading import Reading
from answerspace.results import CorpusResult, QuestionResult


@dataclass(frozen=True)
class ClusterOptions:
    """How a corpus is clustered.

    ``clusters`` is a number or "auto"; ``method`` a key of ``clustering.CLUSTERERS`` or an object with
    ``fit_predict``; ``centre`` takes each question's mean vector out before clustering.
    """

    clusters: int | Literal["auto"] = "auto"
    method: Any = "kmeans"
    centre: bool = True
    seed: int = 0
    batch_size: int = DEFAULT_BATCH


def cluster_corpus(
    embedder: Embedder,
    texts: Sequence[str],
    questions: Sequence[str],
    *,
    options: ClusterOptions | None = None,
    gold: Sequence[str] | None = None,
    store: AnswerStore | None = None,
    reading: str | Path | None = None,
    title: str = "Corpus",
    facts: Mapping[str, str] | None = None,
    show_progress: bool = False,
) -> CorpusResult:
    """Cluster n texts under each question and explain, score and place the clusters.

    ``gold`` has one label per text, "" where there is none. With a ``store`` on disk an interrupted call resumes
    where it stopped and further questions only cost themselves. ``reading`` is the path of a reading of these texts:
    then it is asked, and the texts are not read again.
    """
    chosen = options or ClusterOptions()
    asked_for = checked_questions(questions)
    if not texts:
        raise InputError("There must be at least one text to cluster. Got none.")
    keeping = (store or AnswerStore(None)).cached(embedder)
    if reading is None:
        asked = keeping.ask_and_answer(
            texts, asked_for, normalize=False, batch_size=chosen.batch_size, show_progress=show_progress
        )
    else:
        asked = _asked_rows(keeping.open_reading(reading), texts, asked_for, show_progress)
    results: list[QuestionResult] = []
    first: Array | None = None
    for one in asked:
        space = clustering_space(one.vectors, centre=chosen.centre)
        let_go(one.vectors)
        positions = project(space, seed=chosen.seed)
        if first is None:
            first = positions
        else:
            positions = align(positions, first)  # so that the eye can follow a text from map to map
        results.append(_question_result(embedder, texts, one, space, positions, chosen, gold))
    counts = {"Texts": f"{len(texts):,}", "Distinct texts": f"{len(set(texts)):,}"}
    labels = None if gold is None else list(gold)
    return CorpusResult(title, list(texts), results, {**counts, **(facts or {})}, labels)


def checked_questions(questions: Sequence[str]) -> list[str]:
    """The questions without surrounding blanks; InputError when there is none, one is empty or one comes twice."""
    stripped = [checked_question(question).strip() for question in questions]
    if not stripped:
        raise InputError("There must be at least one question. Got none; add --ask 'What is being reviewed?'.")
    for i, question in enumerate(stripped):
        if question in stripped[:i]:
            raise InputError(f"Every question must be asked once. Got {question!r} twice.")
    return stripped


def _asked_rows(reading: Reading, texts: Sequence[str], questions: Sequence[str], show_progress: bool) -> list[Asked]:
    """The answers of a reading's rows that hold a text."""
    rows = np.flatnonzero(reading.places >= 0)
    if len(rows) != len(texts):
        raise InputError(f"A reading must be one of these texts. Got {len(texts):,} texts and {len(rows):,} in it.")
    asked = reading.ask_and_answer(questions, normalize=False, show_progress=show_progress)
    if len(rows) == len(reading):
        return asked
    return [Asked(one.instruction, one.vectors[rows], [one.answers[i] for i in rows]) for one in asked]


def _question_result(
    embedder: Embedder,
    texts: Sequence[str],
    asked: Asked,
    space: Array,
    positions: Array,
    options: ClusterOptions,
    gold: Sequence[str] | None,
) -> QuestionResult:
    clustering = cluster_vectors(
        space, options.clusters, method=options.method, seed=options.seed, answers=asked.answers
    )
    last_layer = embedder.settings.layer in (-1, embedder.backbone.layers)  # the head reads no other
    clusters = explain(
        clustering,
        texts,
        asked.answers,
        space,
        states=asked.vectors,
        decode=embedder.contrast_words if last_layer else None,
        gold=gold,
    )
    scores = {} if gold is None else agreement_scores(clustering.labels, gold)
    return QuestionResult(
        asked.instruction, clustering.labels, positions, asked.answers, clusters, clustering.method, scores
    )
