"""Supervised contrast of instructions: who is whose positive, which negatives are hard, and the loss.

``published`` repeats the authors' code (arXiv 2409.19680, commit cecb90f), where rows of the same label count as
negatives of each other. Without it they are positives, which is what a label says.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from answerspace.errors import InputError
from answerspace.instructions.benchmark import Labelled

TEMPERATURE = 0.05


class Triple(NamedTuple):
    """An anchor with another instruction of its label, and a hard negative or None."""

    anchor: Labelled
    positive: Labelled
    negative: Labelled | None


class TripleMaker:
    """Draws positives and verb/noun hard negatives.

    The hard negative of a row (verb, noun) comes from a pair that shares the verb or the noun and has another label,
    each such pair alike likely; where there is none, from the positive's pair; where there is none either, from
    any other label. Labels whose rows are all one text give no anchor.
    """

    def __init__(self, rows: Sequence[Labelled], *, seed: int = 0, hard_negatives: bool = True) -> None:
        self.rng = random.Random(seed)
        self.hard_negatives = hard_negatives
        self.by_label: dict[str, list[Labelled]] = defaultdict(list)
        self.by_pair: dict[tuple[str, str], list[Labelled]] = defaultdict(list)
        for row in rows:
            self.by_label[row.label].append(row)
            self.by_pair[row.pair.verb, row.pair.noun].append(row)
        self.of_verb: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self.of_noun: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for verb, noun in self.by_pair:
            self.of_verb[verb].append((verb, noun))
            self.of_noun[noun].append((verb, noun))
        self.anchors = [row for group in self.by_label.values() if len({r.text for r in group}) > 1 for row in group]
        if not self.anchors or len(self.by_label) < 2:
            raise InputError(
                "Training needs at least two labels, one of them with two different instructions. "
                f"Got {len(self.by_label)} labels, {len(rows)} instructions."
            )

    def epoch(self) -> list[Triple]:
        """One triple an anchor, in random order."""
        order = self.rng.sample(self.anchors, len(self.anchors))
        return [self.triple(anchor) for anchor in order]

    def triple(self, anchor: Labelled) -> Triple:
        """The anchor with a drawn positive and, unless turned off, a hard negative."""
        positive = self.rng.choice([row for row in self.by_label[anchor.label] if row.text != anchor.text])
        if not self.hard_negatives:
            return Triple(anchor, positive, None)
        for row in (anchor, positive):
            pairs = self._near_pairs(row)
            if pairs:
                chosen = [r for r in self.by_pair[self.rng.choice(pairs)] if r.label != row.label]
                return Triple(anchor, positive, self.rng.choice(chosen))
        label = self.rng.choice([label for label in self.by_label if label != anchor.label])
        return Triple(anchor, positive, self.rng.choice(self.by_label[label]))

    def _near_pairs(self, row: Labelled) -> list[tuple[str, str]]:
        near = self.of_verb[row.pair.verb] + self.of_noun[row.pair.noun]
        return [pair for pair in near if any(r.label != row.label for r in self.by_pair[pair])]


def contrast_loss(
    anchors: Tensor,
    positives: Tensor,
    negatives: Tensor | None,
    labels: Tensor,
    negative_labels: Tensor | None = None,
    *,
    temperature: float = TEMPERATURE,
    published: bool = False,
) -> Tensor:
    """Mean cross-entropy of each anchor over the batch's positives and hard negatives, by cosine.

    ``anchors``, ``positives``, ``negatives`` (B, d); ``labels``, ``negative_labels`` (B,) whole numbers. Each anchor
    is judged against the positives of its own label one by one; columns of its label are never negatives, in the
    hard negatives neither. ``published``: only the anchor's own positive counts and every other column is a negative.
    """
    columns = positives if negatives is None else torch.cat([positives, negatives])
    scores = functional.cosine_similarity(anchors[:, None], columns[None], dim=-1) / temperature  # (B, B or 2 B)
    rows = torch.arange(len(anchors), device=anchors.device)
    if published:
        return functional.cross_entropy(scores, rows)
    if negatives is not None and negative_labels is None:
        raise InputError("Hard negatives need their labels, or a negative may share the anchor's. Got none.")
    column_labels = labels if negative_labels is None else torch.cat([labels, negative_labels])
    same = labels[:, None] == column_labels[None]  # (B, columns)
    # not minus infinity: a batch of one label has no negatives at all, and its gradient must be 0, not nan
    others = scores.masked_fill(same, -1e4).logsumexp(1, keepdim=True)  # (B, 1)
    each = torch.logaddexp(scores, others.expand_as(scores)) - scores  # loss of a column were it the positive
    of_positives = same[:, : len(positives)]
    losses = torch.where(of_positives, each[:, : len(positives)], torch.zeros_like(each[:, : len(positives)]))
    return (losses.sum(1) / of_positives.sum(1)).mean()
