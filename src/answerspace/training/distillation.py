"""Distillation: the bundled model learns how another embedder places answers.

What is taught is geometry, not coordinates: the cosines among a batch's answers (relational knowledge distillation,
Park et al., arXiv 1904.05068, with cosines for distances). So the teacher's vectors may have any length, and answers
in words and the plain reading stay what the recipe's other losses make them. A projection into the teacher's space can
be trained along; it is thrown away at the end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from answerspace.training.objective import relations_loss
from answerspace.training.recipe import DistilRecipe
from answerspace.training.teacher import Pair, TeacherVectors


class Distillation(nn.Module):
    """The loss of a batch's answer vectors against the teacher's. Its parameters are the projection's, if any."""

    def __init__(self, recipe: DistilRecipe, teacher: TeacherVectors, dimension: int) -> None:
        super().__init__()
        self.recipe = recipe
        self.teacher = teacher
        self.projection = nn.Linear(dimension, teacher.dimension) if recipe.projection else None

    def forward(self, vectors: Tensor, pairs: Sequence[Pair]) -> Tensor:
        """A scalar from the student's unit vectors (Q, D) of the pairs."""
        taught = self.taught(pairs, vectors.device)
        loss = self.recipe.relations * relations_loss(*map(self._placed, (vectors, taught)))
        if self.projection is not None:
            loss = loss + self.recipe.projection * projection_loss(self.projection(vectors), taught)
        return loss

    def taught(self, pairs: Sequence[Pair], device: torch.device) -> Tensor:
        """The teacher's unit vectors (Q, D of the teacher)."""
        return torch.from_numpy(self.teacher(pairs)).to(device)

    def _placed(self, vectors: Tensor) -> Tensor:
        return centred(vectors) if self.recipe.centre else vectors


def centred(vectors: Tensor) -> Tensor:
    """Unit vectors (Q, D) of the differences from the batch's mean; a row at the mean becomes zero.

    A language model's states share a large common part, so that all their cosines are near 1 without this.
    """
    return functional.normalize(vectors - vectors.mean(0), dim=-1)


def projection_loss(projected: Tensor, taught: Tensor) -> Tensor:
    """Mean of 1 - cosine of two (Q, D)."""
    return (1 - functional.cosine_similarity(projected, taught, dim=-1)).mean()


def agreement(vectors: Tensor, taught: Tensor) -> float:
    """The linear correlation of the centred cosines above the diagonal, from (n, D) and (n, D'); 0 where all are equal.

    Not one of ranks: a teacher that gives few distinct answers gives many equal cosines.
    """
    upper = np.triu_indices(len(vectors), 1)
    ours, theirs = ((v @ v.T).cpu().numpy()[upper] for v in map(centred, (vectors.float(), taught.float())))
    if len(ours) < 2 or np.ptp(ours) < 1e-6 or np.ptp(theirs) < 1e-6:
        return 0.0
    return float(np.corrcoef(ours, theirs)[0, 1])
