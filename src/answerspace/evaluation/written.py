"""The written sets: crossed intent x emotion triplets, pairs with two questions, corpora with several criteria.

A folder holds ``intent_emotion.jsonl`` (u1_opt, u1_fru, u2_opt, u2_fru), ``instruct_sts.jsonl`` (s1, s2, q_diff,
q_same) and ``criteria.json``, which names for each criterion the file, the label field, the question and the labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from answerspace.errors import InputError
from answerspace.evaluation.gold_files import read_object, read_rows
from answerspace.evaluation.scores import Score, over_seeds
from answerspace.evaluation.tasks import (
    Clusters,
    Pair,
    Triplets,
    run_clusters,
    run_pairs,
    run_triplets,
    triplet_scores,
)
from answerspace.protocols import Encoder

EMOTION_QUESTION = "How does the customer feel?"
INTENT_QUESTION = "What does the customer need?"
# (anchor, positive, negative) per item, Appendix A of arXiv 2402.09642
EMOTION_TRIPLETS = (("u1_opt", "u2_opt", "u1_fru"), ("u1_fru", "u2_fru", "u1_opt"))
INTENT_TRIPLETS = (("u1_opt", "u1_fru", "u2_opt"), ("u1_fru", "u1_opt", "u2_fru"))


@dataclass(frozen=True)
class WrittenSuite:
    """Everything the three tests ask."""

    emotion: Triplets
    intent: Triplets
    pairs: list[Pair]
    criteria: list[Clusters]


def read_written(folder: str | Path) -> WrittenSuite:
    """Read and check a folder of written sets; InputError names the file and the row of the first fault."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"--data must be a folder with criteria.json and its files. Got {folder}.")
    crossed = read_rows(folder / "intent_emotion.jsonl", ("u1_opt", "u1_fru", "u2_opt", "u2_fru"))
    pairs = read_rows(folder / "instruct_sts.jsonl", ("s1", "s2", "q_diff", "q_same"))
    criteria = read_object(folder / "criteria.json")
    return WrittenSuite(
        emotion=_triplets(EMOTION_QUESTION, crossed, EMOTION_TRIPLETS),
        intent=_triplets(INTENT_QUESTION, crossed, INTENT_TRIPLETS),
        pairs=[Pair(row["s1"], row["s2"], row["q_diff"], row["q_same"]) for row in pairs],
        criteria=[
            _criterion(folder, name, value)
            for name, value in criteria.items()
            if not (isinstance(value, dict) and value.get("field", "") is None)  # described, but no label column
        ],
    )


def evaluate_written(
    encoder: Encoder, suite: WrittenSuite, *, seeds: int = 10, centre: bool = False
) -> dict[str, Score]:
    """Scores x 100 by measure: "triplets" (harmonic mean), "emotion", "intent", "pairs", "mean V" and "V ..." each.

    ``centre`` takes the mean vector of a question out before triplets and clusters are judged; pairs cannot be
    centred. The spread of "mean V" is over seeds, that of the rest as each Score says.
    """
    both, emotion, intent = triplet_scores(
        run_triplets(encoder, suite.emotion, centre=centre), run_triplets(encoder, suite.intent, centre=centre)
    )
    pairs = run_pairs(encoder, suite.pairs)
    by_criterion = {c.name: run_clusters(encoder, c, seeds=seeds, centre=centre) for c in suite.criteria}
    scores = {"triplets": both, "emotion": emotion, "intent": intent, "pairs": pairs}
    if by_criterion:
        scores["mean V"] = over_seeds(np.mean(list(by_criterion.values()), axis=0))
    return scores | {f"V {name}": over_seeds(values) for name, values in by_criterion.items()}


def _triplets(question: str, rows: list[dict[str, str]], kinds: tuple[tuple[str, str, str], ...]) -> Triplets:
    anchors, positives, negatives = ([row[kind[place]] for row in rows for kind in kinds] for place in range(3))
    return Triplets(question, anchors, positives, negatives, each=len(kinds))


def _criterion(folder: Path, name: str, value: Any) -> Clusters:
    where = f"{folder / 'criteria.json'}, criterion {name!r}"
    if not isinstance(value, dict):
        raise InputError(f"{where}: must be an object. Got {type(value).__name__}.")
    for key in ("file", "field", "question"):
        if not isinstance(value.get(key), str) or not value[key].strip():
            raise InputError(f"{where}: {key!r} must be a non-empty string. Got {value.get(key)!r}.")
    labels = value.get("labels")
    if not isinstance(labels, list) or len(labels) < 2 or not all(isinstance(one, str) for one in labels):
        raise InputError(f"{where}: 'labels' must list at least two names. Got {labels!r}.")
    path, field = folder / value["file"], value["field"]
    rows = read_rows(path, ("text", field))
    for number, row in enumerate(rows, 1):
        if row[field] not in labels:
            raise InputError(f"{path}, row {number}: {field!r} must be one of {', '.join(labels)}. Got {row[field]!r}.")
    return Clusters(name, value["question"], [row["text"] for row in rows], [row[field] for row in rows])
