"""Aligning an encoder with what tasks ask for: contrastive training on instructions, model choice on held-out groups.

``published`` is INSTA's recipe (CosineSimilarityLoss on pairs, learning rate 1e-6, five epochs, best Pearson on dev
pairs); ``hard-negatives`` is ours. The base model itself is the first candidate: alignment that does not help the
held-out groups is not kept. Needs the eval extra (torch, sentence-transformers).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from answerspace.errors import InputError
from answerspace.task_selection.alignment_pairs import Instruction, hard_batches, published_pairs
from answerspace.task_selection.selection_measures import average_precision

LOG = "alignment.json"
MODEL = "model"


@dataclass(frozen=True)
class AlignmentRecipe:
    """How to align. ``trained_blocks`` None trains every weight; ``max_length`` is in tokens."""

    loss: str  # "cosine" on pairs, or "contrastive" in batches
    learning_rate: float
    epochs: int
    batch: int  # pairs, or groups of a batch
    each: int = 4  # texts of a group in a batch
    temperature: float = 0.05
    warmup: float = 0.1  # of one epoch's steps
    trained_blocks: int | None = None
    max_length: int = 256
    dev_every: int = 1  # epochs
    seed: int = 42


ALIGNMENTS = {
    "published": AlignmentRecipe("cosine", 1e-6, 5, 16),
    "hard-negatives": AlignmentRecipe("contrastive", 3e-5, 4, 8, trained_blocks=2, max_length=128, dev_every=2),
}


def align(
    base: str,
    rest: Sequence[Instruction],
    dev: Sequence[Instruction],
    recipe: AlignmentRecipe,
    output: Path,
    *,
    tell: Callable[[str], None] = lambda note: None,
) -> list[dict[str, float]]:
    """Train a sentence-transformers model on ``rest``; the epoch best on ``dev`` is saved to ``output/model``.

    Returns one row per measured epoch: ``epoch``, ``dev`` (MAP of held-out groups, or Pearson for the published
    recipe) and ``seconds``. An interrupted run begins again: a run takes minutes.
    """
    if not {one.group for one in dev}.isdisjoint(one.group for one in rest):
        raise InputError("Dev groups must not be trained on. Got groups on both sides.")
    from sentence_transformers import SentenceTransformer

    torch.manual_seed(recipe.seed)
    model: Any = SentenceTransformer(base, device="cpu")
    model.max_seq_length = min(recipe.max_length, model.max_seq_length or recipe.max_length)
    trained = _choose_weights(model, recipe.trained_blocks)
    steps = _Steps(model, rest, recipe)
    optimizer = torch.optim.AdamW(trained, lr=recipe.learning_rate, weight_decay=0.01)
    measure = dev_pearson if recipe.loss == "cosine" else held_out_map
    rows = [{"epoch": 0.0, "dev": measure(model, rest, dev), "seconds": 0.0}]
    tell(f"before alignment: dev {rows[0]['dev']:.4f}")
    _save(model, rows, recipe, output)
    start, step = time.monotonic(), 0
    for epoch in range(1, recipe.epochs + 1):
        model.train()
        for loss in steps.epoch(epoch):
            step += 1
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate * min(1.0, step / max(1, round(recipe.warmup * steps.size)))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
        if epoch % recipe.dev_every and epoch != recipe.epochs:
            continue
        score = measure(model, rest, dev)
        better = score > max(row["dev"] for row in rows)
        rows.append({"epoch": float(epoch), "dev": score, "seconds": round(time.monotonic() - start, 1)})
        tell(f"epoch {epoch}: dev {score:.4f}")
        if better:
            _save(model, rows, recipe, output)
        _log(rows, recipe, output)
    return rows


class _Steps:
    """The losses of an epoch, one per step."""

    def __init__(self, model: Any, rest: Sequence[Instruction], recipe: AlignmentRecipe) -> None:
        self.model, self.rest, self.recipe = model, rest, recipe
        self.pairs: list[tuple[int, int, float]] = []
        if recipe.loss == "cosine":
            vectors = _encode(model, [one.text for one in rest])
            self.pairs = published_pairs(rest, vectors @ vectors.T, seed=recipe.seed)
            self.size = -(-len(self.pairs) // recipe.batch)
        else:
            self.size = max(1, len(rest) // (recipe.batch * recipe.each))

    def epoch(self, number: int) -> Any:
        """An iterator of loss tensors."""
        if self.recipe.loss == "cosine":
            order = np.random.default_rng([self.recipe.seed, number]).permutation(len(self.pairs))
            for i in range(0, len(order), self.recipe.batch):
                yield self._cosine([self.pairs[j] for j in order[i : i + self.recipe.batch]])
            return
        r = self.recipe
        for rows in hard_batches(self.rest, groups=r.batch, each=r.each, seed=r.seed * 1000 + number):
            yield self._contrastive([self.rest[i] for i in rows])

    def _cosine(self, pairs: Sequence[tuple[int, int, float]]) -> Tensor:
        left = self._vectors([self.rest[i].text for i, _, _ in pairs])
        right = self._vectors([self.rest[j].text for _, j, _ in pairs])
        return functional.mse_loss((left * right).sum(-1), torch.tensor([label for *_, label in pairs]))

    def _contrastive(self, batch: Sequence[Instruction]) -> Tensor:
        vectors = self._vectors([one.text for one in batch])
        names = {name: i for i, name in enumerate(dict.fromkeys(one.group for one in batch))}
        return supervised_contrastive(
            vectors, torch.tensor([names[one.group] for one in batch]), self.recipe.temperature
        )

    def _vectors(self, texts: list[str]) -> Tensor:
        features = self.model.preprocess(texts) if hasattr(self.model, "preprocess") else self.model.tokenize(texts)
        return functional.normalize(self.model(features)["sentence_embedding"], dim=-1)


def supervised_contrastive(vectors: Tensor, groups: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss (Khosla et al. 2020, L_out) of unit rows (B, D) with groups (B,).

    Each text is drawn to every other text of its group against all others of the batch; texts alone in their
    group are negatives only.
    """
    logits = vectors @ vectors.T / temperature
    own = torch.eye(len(vectors), dtype=torch.bool)
    logits = logits.masked_fill(own, float("-inf"))
    positive = (groups[:, None] == groups[None, :]) & ~own
    log_share = logits - logits.logsumexp(1, keepdim=True)
    has = positive.any(1)
    sums = torch.where(positive, log_share, torch.zeros(())).sum(1)
    return -(sums[has] / positive.sum(1)[has]).mean()


def held_out_map(model: Any, rest: Sequence[Instruction], dev: Sequence[Instruction], most: int = 250) -> float:
    """MAP of finding a dev text's group among all dev texts and ``most`` others, its own data set left out."""
    others = [rest[i] for i in np.random.default_rng(0).permutation(len(rest))[:most]]
    pool = [*dev, *others]
    vectors = _encode(model, [one.text for one in pool])
    found = []
    for i, query in enumerate(dev):
        kept = [j for j, one in enumerate(pool) if j != i and not (one.origin and one.origin == query.origin)]
        relevant = np.array([pool[j].group == query.group for j in kept])
        if relevant.any():
            order = np.argsort(-(vectors[kept] @ vectors[i]), kind="stable")
            found.append(average_precision(relevant[order]))
    if not found:
        raise InputError("Dev groups must hold texts from at least two data sets. Got none.")
    return float(np.mean(found))


def dev_pearson(model: Any, rest: Sequence[Instruction], dev: Sequence[Instruction]) -> float:
    """Pearson correlation of cosine and label on pairs made of the dev groups, negatives filtered (unlike INSTA's)."""
    vectors = _encode(model, [one.text for one in dev])
    pairs = published_pairs(dev, vectors @ vectors.T)
    cosines = [float(vectors[i] @ vectors[j]) for i, j, _ in pairs]
    labels = [label for *_, label in pairs]
    if len(set(labels)) < 2 or np.std(cosines) == 0:
        return 0.0
    return float(np.corrcoef(cosines, labels)[0, 1])


def _encode(model: Any, texts: list[str]) -> np.ndarray:
    model.eval()
    return np.asarray(model.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False))


def _choose_weights(model: Any, blocks: int | None) -> list[torch.nn.Parameter]:
    """The weights to train: all, or those of the last blocks of a BERT-like encoder; the rest is frozen."""
    if blocks is None:
        return list(model.parameters())
    numbers = sorted({int(part) for name, _ in model.named_parameters() for part in _block_of(name)})
    if len(numbers) < blocks:
        raise InputError(f"trained_blocks must be at most the model's {len(numbers)} blocks. Got {blocks}.")
    last = {str(number) for number in numbers[-blocks:]}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(bool(set(_block_of(name)) & last))
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _block_of(name: str) -> list[str]:
    parts = name.split(".")
    return [b for a, b in pairwise(parts) if a in ("layer", "layers", "block", "h") and b.isdigit()]


def _save(model: Any, rows: Sequence[dict[str, float]], recipe: AlignmentRecipe, output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    model.save(str(output / MODEL))
    _log(rows, recipe, output)


def _log(rows: Sequence[dict[str, float]], recipe: AlignmentRecipe, output: Path) -> None:
    content = {"recipe": asdict(recipe), "epochs": list(rows)}
    (output / LOG).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
