"""Which targets say anything about training data: those that a small model can learn at all from their own examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from answerspace.task_selection.instruction_vectors import InstructionEncoder
from answerspace.task_selection.task_scores import unit
from answerspace.task_selection.transfer_experiment import Target

FOLDS = 5
MARGIN = 0.1


def learnable(targets: Sequence[Target], encode: InstructionEncoder, margin: float = MARGIN) -> list[Target]:
    """The targets with labels on which ``own_accuracy`` is at least ``margin`` above chance."""
    return [target for target in targets if own_accuracy(target, encode) >= 1 / len(target.choices) + margin]


def own_accuracy(target: Target, encode: InstructionEncoder) -> float:
    """Mean recall of the labels, cross-validated: logistic regression on the frozen vectors of the target's inputs."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    rows = [*target.examples, *target.others]
    vectors, answers = unit(encode([text for text, _ in rows])), np.array([answer for _, answer in rows])
    least = min(int((answers == choice).sum()) for choice in target.choices)
    folds = StratifiedKFold(min(FOLDS, least), shuffle=True, random_state=0)
    model = LogisticRegression(C=10, max_iter=1000, class_weight="balanced")
    return float(balanced_accuracy_score(answers, cross_val_predict(model, vectors, answers, cv=folds)))
