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
    criteria: Tensor


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


def relations_loss(vectors: Tensor, targets: Tensor, left_alone: Tensor | None = None) -> Tensor:
    """Mean squared difference of the two cosine matrices of a batch, without the pairs (Q, Q) to be left alone."""
    difference = vectors @ vectors.T - targets @ targets.T
    if left_alone is not None:
        difference = difference.masked_fill(left_alone, 0.0)
    return difference.square().mean()


def criteria_loss(vectors: Tensor, criteria: Tensor, same: Tensor, temperature: float) -> Tensor:
    """Supervised contrast (Khosla et al. 2020) of the answer vectors (Q, D) of one criterion.

    ``criteria`` (Q,) numbers what was asked for, ``same`` (Q, Q) says which answers count as equal. A vector without an
    equal and a different one under its criterion takes no part.
    """
    itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    beside = (criteria[:, None] == criteria[None, :]) & ~itself
    equal = beside & same
    takes_part = equal.any(1) & (beside & ~same).any(1)
    if not takes_part.any():
        return vectors.sum() * 0.0
    scores = (vectors @ vectors.T / temperature)[takes_part]
    equal, beside = equal[takes_part], beside[takes_part]
    chance = scores - scores.masked_fill(~beside, -torch.inf).logsumexp(1, keepdim=True)
    return -((chance * equal).sum(1) / equal.sum(1)).mean()


def words_loss(scores: Tensor, words: Tensor) -> Tensor:
    """Cross-entropy of the slots' scores (Q, slots, V) against the answers' first tokens (Q, slots)."""
    return functional.cross_entropy(scores.flatten(0, 1), words.flatten())


def losses(
    vectors: Tensor,
    targets: Tensor,
    memory: Tensor,
    scores: Tensor,
    words: Tensor,
    criteria: Tensor,
    recipe: LossRecipe,
) -> Losses:
    """All parts and their weighted sum."""
    contrast = contrast_loss(vectors, targets, memory, recipe)
    word = words_loss(scores, words)
    apart, left_alone = torch.zeros_like(contrast), None
    if recipe.criteria:
        same = targets @ targets.T > recipe.same_answer
        apart = criteria_loss(vectors, criteria, same, recipe.criteria_temperature)
        left_alone = (criteria[:, None] == criteria[None, :]) & ~same
    relations = relations_loss(vectors, targets, left_alone)
    total = recipe.contrast * contrast + recipe.words * word + recipe.relations * relations + recipe.criteria * apart
    return Losses(total, contrast, word, relations, torch.zeros_like(total), apart)
