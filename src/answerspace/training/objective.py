"""The bundled model's objective: answer vectors towards the gold answers' vectors, slots towards their words."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from answerspace.training.recipe import LossRecipe


class Losses(NamedTuple):
    """The weighted sum and its parts before weighting."""

    total: Tensor
    contrast: Tensor
    words: Tensor
    relations: Tensor
    teacher: Tensor


def contrast_loss(vectors: Tensor, targets: Tensor, memory: Tensor, recipe: LossRecipe) -> Tensor:
    """Cross-entropy of each answer vector (Q, D) against the targets (Q, D) and earlier answers (M, D).

    Rows are unit vectors. Another answer is a negative unless its target's cosine to the own target is above
    ``same_answer``; so equal answers, which occur often, never push each other away.
    """
    others = torch.cat([targets, memory])
    scores = vectors @ others.T / recipe.temperature
    same = targets @ others.T > recipe.same_answer
    own = torch.arange(len(vectors), device=vectors.device)
    same[own, own] = False
    return functional.cross_entropy(scores.masked_fill(same, -torch.inf), own)


def relations_loss(vectors: Tensor, targets: Tensor) -> Tensor:
    """Mean squared difference of the two cosine matrices of a batch."""
    return functional.mse_loss(vectors @ vectors.T, targets @ targets.T)


def words_loss(scores: Tensor, words: Tensor) -> Tensor:
    """Cross-entropy of the slots' scores (Q, slots, V) against the answers' first tokens (Q, slots)."""
    return functional.cross_entropy(scores.flatten(0, 1), words.flatten())


def losses(
    vectors: Tensor, targets: Tensor, memory: Tensor, scores: Tensor, words: Tensor, recipe: LossRecipe
) -> Losses:
    """All parts and their weighted sum."""
    contrast = contrast_loss(vectors, targets, memory, recipe)
    word = words_loss(scores, words)
    relations = relations_loss(vectors, targets)
    total = recipe.contrast * contrast + recipe.words * word + recipe.relations * relations
    return Losses(total, contrast, word, relations, torch.zeros_like(total))
