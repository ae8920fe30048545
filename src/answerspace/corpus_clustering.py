"""The clustering of a corpus under several questions: texts in, a CorpusResult out.

    texts -> distinct texts -> vectors and answers (kept on disk) -> space -> clusters -> explanation
                                                                          -> positions

Equal texts are answered once. Knows no files but the answer store it is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from answerspace.answer_store import AnswerStore
from answerspace.answers import Array
from answerspace.clustering import agreement_scores, cluster_vectors, clustering_space
from answerspace.embedder import DEFAULT_BATCH, Asked, Embedder, checked_question
from answerspace.errors import InputError
from answerspace.explanation import explain
from answerspace.projection import project_all
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
    title: str = "Corpus",
    facts: Mapping[str, str] | None = None,
    show_progress: bool = False,
) -> CorpusResult:
    """Cluster n texts under each question and explain, score and place the clusters.

    ``gold`` has one label per text, "" where there is none. With a ``store`` on disk an interrupted call resumes
    where it stopped and further questions only cost themselves.
    """
    chosen = options or ClusterOptions()
    asked_for = checked_questions(questions)
    if not texts:
        raise InputError("There must be at least one text to cluster. Got none.")
    distinct = list(dict.fromkeys(texts))
    place = {text: i for i, text in enumerate(distinct)}
    rows = np.array([place[text] for text in texts], np.intp)
    answered = (store or AnswerStore(None)).answers(
        embedder, distinct, asked_for, batch_size=chosen.batch_size, show_progress=show_progress
    )
    asked = [Asked(one.instruction, one.vectors[rows], [one.answers[i] for i in rows]) for one in answered]
    spaces = [clustering_space(one.vectors, centre=chosen.centre) for one in asked]
    maps = project_all(spaces, seed=chosen.seed)
    results = [
        _question_result(embedder, texts, one, space, positions, chosen, gold)
        for one, space, positions in zip(asked, spaces, maps, strict=True)
    ]
    counts = {"Texts": f"{len(texts):,}", "Distinct texts": f"{len(distinct):,}"}
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
