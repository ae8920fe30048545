"""Fine-tuning PIE: supervised contrast on a causal or masked language model.

Causal models get LoRA on their query and value maps, masked models are trained whole, as in arXiv 2409.19680. Prompts
are padded on the right and pooled at the last token that is one, so no state of padding is ever read. ``published``
repeats the authors' code: rows of one label are each other's negatives, and a masked model is padded on the left and
read at position 0, which is padding for every row but the longest.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from answerspace.backbones.torch_model import TorchModel, padded
from answerspace.errors import InputError
from answerspace.instructions.benchmark import Labelled
from answerspace.instructions.contrast import TEMPERATURE, Triple, TripleMaker, contrast_loss
from answerspace.instructions.pie import PieEncoder, check_prompt, load_pie, with_stop
from answerspace.loading import save_backbone
from answerspace.progress import bar

KINDS = ("causal", "masked")


@dataclass(frozen=True)
class PieRecipe:
    """How PIE is trained; the defaults are the paper's. ``epochs`` counts passes over the anchors."""

    prompt: str = "pie"
    state: str = "last-2"
    epochs: float = 1.0
    batch_size: int = 8
    learning_rate: float = 1e-5
    temperature: float = TEMPERATURE
    hard_negatives: bool = True
    lora_rank: int = 32
    lora_alpha: int = 64
    lora_dropout: float = 0.05
    lora_targets: tuple[str, ...] = ("q_proj", "v_proj")
    published: bool = False
    seed: int = 0


class PieTrainer:
    """Trains the model of a PieEncoder in place; ``rows`` are instructions with their pair and label."""

    def __init__(self, encoder: PieEncoder, rows: Sequence[Labelled], recipe: PieRecipe | None = None) -> None:
        backbone: Any = encoder.embedder.backbone
        if backbone.kind not in KINDS or not isinstance(backbone, TorchModel):
            raise InputError(f"PIE trains models of kind {' or '.join(KINDS)}. Got a {backbone.kind} model.")
        self.recipe = recipe or PieRecipe()
        self.encoder = encoder
        self.backbone: Any = backbone
        self.prompt = check_prompt(self.recipe.prompt)[1]
        self.triples = TripleMaker(rows, seed=self.recipe.seed, hard_negatives=self.recipe.hard_negatives)
        self.labels = {label: i for i, label in enumerate(dict.fromkeys(row.label for row in rows))}
        torch.manual_seed(self.recipe.seed)
        self.adapted: Any = None
        if backbone.kind == "causal":
            self.adapted = _with_lora(backbone.model, self.recipe)
        else:
            backbone.model.requires_grad_(True)
        self.trained = [p for p in backbone.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(self.trained, lr=self.recipe.learning_rate)

    def train(self, *, show_progress: bool = False) -> list[float]:
        """Train by the recipe and return the loss of each step; an interrupt keeps what was learned so far.

        The adapter is merged into the model at the end, so the encoder is used, and saved, as it was before.
        """
        losses = []
        self.backbone.model.train()
        batches = list(self._batches())
        try:
            with bar() as progress:
                task = progress.add_task("steps", total=len(batches), visible=show_progress)
                for batch in batches:
                    losses.append(self.step(batch))
                    progress.update(task, advance=1, description=f"loss {losses[-1]:.3f}")
        finally:
            self.backbone.model.eval()
            if self.adapted is not None:
                self.adapted.merge_and_unload()
            self.backbone.model.requires_grad_(False)
        return losses

    def step(self, batch: Sequence[Triple]) -> float:
        """One optimiser step on the triples."""
        negatives = [triple.negative for triple in batch if triple.negative is not None]
        rows = [t.anchor for t in batch] + [t.positive for t in batch] + negatives
        vectors = self.vectors([row.text for row in rows])
        n = len(batch)
        labels = torch.tensor([self.labels[row.label] for row in rows], device=vectors.device)
        loss = contrast_loss(
            vectors[:n],
            vectors[n : 2 * n],
            vectors[2 * n :] if negatives else None,
            labels[:n],
            labels[2 * n :] if negatives else None,
            temperature=self.recipe.temperature,
            published=self.recipe.published,
        )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return float(loss.detach())

    def vectors(self, texts: Sequence[str]) -> Tensor:
        """(n, d) embeddings with a gradient: the states that ``PieEncoder`` reads."""
        causal = self.backbone.kind == "causal"
        wanted = 1 if causal else None
        prompts = [self.backbone.prompts.prompt(with_stop(text), self.prompt, wanted) for text in texts]
        masks = [] if causal else [self.backbone.tokenizer.mask_token_id] * self.backbone.masks
        left = self.recipe.published and not causal
        ids, mask = padded([[*before, *masks, *after] for before, after in prompts], self.backbone.pad_id, left=left)
        inputs = {"input_ids": torch.as_tensor(ids), "attention_mask": torch.as_tensor(mask.astype(np.int64))}
        inputs = {name: tensor.to(self.backbone.device) for name, tensor in inputs.items()}
        layers = self.backbone.stack(**inputs, output_hidden_states=True).hidden_states
        places = np.array([len(before) for before, _ in prompts])  # of the first mask, or behind a causal prompt
        if causal:
            places = places - 1
        if left or self.recipe.state == "cls":
            chosen, places = layers[-1:], np.zeros_like(places)
        else:
            chosen = layers[-2:] if self.recipe.state == "last-2" else layers[-1:]
        rows = torch.arange(len(texts), device=self.backbone.device)
        at = torch.as_tensor(places, device=self.backbone.device)
        return torch.stack([layer[rows, at] for layer in chosen]).mean(0).float()

    def save(self, folder: str | Path) -> None:
        """Write the trained model to a folder that ``load_pie`` takes."""
        save_backbone(self.backbone, self.encoder.embedder.settings, folder)

    def _batches(self) -> Iterator[list[Triple]]:
        steps = max(1, round(self.recipe.epochs * len(self.triples.anchors) / self.recipe.batch_size))
        waiting: list[Triple] = []
        for _ in range(steps):
            while len(waiting) < self.recipe.batch_size:
                waiting += self.triples.epoch()
            yield waiting[: self.recipe.batch_size]
            waiting = waiting[self.recipe.batch_size :]


def train_pie(
    model: str, rows: Sequence[Labelled], output: str | Path, recipe: PieRecipe | None = None, **options: Any
) -> PieEncoder:
    """Load a model with PIE's prompt, train it on labelled instructions, save it to ``output``, return the encoder."""
    recipe = recipe or PieRecipe()
    encoder = load_pie(model, prompt=recipe.prompt, state=recipe.state, **options)
    trainer = PieTrainer(encoder, rows, recipe)
    trainer.train(show_progress=True)
    trainer.save(output)
    return encoder


def _with_lora(model: Any, recipe: PieRecipe) -> Any:
    """The model with adapters put into it, in place; its own weights are frozen."""
    from peft import LoraConfig, get_peft_model

    names = {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()}
    targets = [name for name in recipe.lora_targets if name in names]
    if not targets:
        raise InputError(
            "lora_targets must name linear maps of the model, such as q_proj and v_proj. "
            f"Got {', '.join(recipe.lora_targets)}."
        )
    config = LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.lora_dropout,
        bias="none",
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():  # peft asks the model for a property by a name that transformers is giving up
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        return get_peft_model(model, config)
