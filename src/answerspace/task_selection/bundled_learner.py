"""The bundled model as the learner of an experiment: small enough to train on a CPU, and it learns.

An example is read as text = input and question = the task's instruction. The answer vector is trained towards the
frozen start model's vector of the output by a softmax over what the task could have said instead: its labels where
these are fixed, otherwise some of its other outputs. So the softmax is as hard for few tasks as for many. Only the
asker is trained; the reader stays that of the start model.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from answerspace.task_selection.mixture import Examples, MixedExample
from answerspace.task_selection.task_pool import PoolTask
from answerspace.task_selection.transfer_experiment import Learner, Numbers, Target, has_labels
from answerspace.training.answer_words import content_words
from answerspace.training.batch import Batch
from answerspace.training.bundled import Run, keep_freed_memory, start_folder
from answerspace.training.recipe import DataRecipe, Recipe, TrainRecipe
from answerspace.training.rows import Asked, Rows


@dataclass(frozen=True)
class BundledSettings:
    """How the bundled model is trained in an experiment.

    ``passes`` over the mixture, ``rivals`` of an answer at most, lengths in tokens.
    """

    start: str = "bundled"
    learning_rate: float = 3e-4
    passes: int = 1
    batch: int = 16
    rivals: int = 9
    temperature: float = 0.05
    text_length: int = 48
    question_length: int = 48

    def __str__(self) -> str:
        return "bundled " + json.dumps(asdict(self))


def bundled_learner(settings: BundledSettings, tasks: Sequence[PoolTask], examples: Examples) -> Learner:
    """A learner for mixtures of these tasks and examples; without a mixture it gives the untrained model."""
    said = {
        task.name: task.answers if has_labels(task) else [answer for _, answer in examples.get(task.name, ())]
        for task in tasks
    }
    outputs = {name: sorted({content_words(one) for one in answers}) for name, answers in said.items()}
    known: dict[str, Tensor] = {}  # vectors of outputs by the frozen start model, the same in every run

    def train(mixture: Sequence[MixedExample], seed: int) -> BundledModel:
        keep_freed_memory()
        model = BundledModel(settings, -(-len(mixture) * settings.passes // settings.batch), seed)
        model.run.targets.known = known
        rng = random.Random(f"{seed}:passes")
        rows = [one for _ in range(settings.passes) for one in rng.sample(mixture, len(mixture))]
        for i in range(0, len(rows), settings.batch):
            batch = rows[i : i + settings.batch]
            model.step(batch, [_rivals(one, outputs.get(one.task, []), settings.rivals, rng) for one in batch])
        return model

    return Learner(f"{settings}, weights {_digest(settings)}", train, untrained=True)


class BundledModel:
    """One bundled model in training; ``scores`` may be asked for at any step."""

    def __init__(self, settings: BundledSettings, steps: int, seed: int) -> None:
        self.settings = settings
        recipe = Recipe(
            settings.start,
            DataRecipe(text_length=settings.text_length, question_length=settings.question_length),
            TrainRecipe(learning_rate=settings.learning_rate, warmup_steps=3, steps=max(1, steps), memory=0),
            seed=seed,
        )
        self.run = Run(recipe, Rows({}, []), Path(gettempdir()))  # its folder is written by ``train`` and ``save`` only

    def step(self, examples: Sequence[MixedExample], rivals: Sequence[Sequence[str]]) -> float:
        """One optimiser step; the loss before it. ``rivals[i]`` are answers that example i might have had."""
        run = self.run
        vectors = run.answer_vectors(self._asked([(one.input, one.instruction) for one in examples]))[0]
        own = [content_words(one.output) for one in examples]
        answers = sorted({*own, *(answer for each in rivals for answer in each)})
        place = {answer: i for i, answer in enumerate(answers)}
        allowed = torch.zeros(len(own), len(answers), dtype=torch.bool)
        for row, each in zip(allowed, rivals, strict=True):
            row[[place[answer] for answer in each]] = True
        truth = torch.tensor([place[answer] for answer in own])
        loss = ranking_loss(vectors, run.targets(answers), truth, allowed, self.settings.temperature)
        for group in run.optimizer.param_groups:
            group["lr"] = run.learning_rate()
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(run.trained, run.recipe.train.clip)
        run.optimizer.step()
        run.state.step += 1
        return float(loss.detach())

    @torch.no_grad()
    def scores(self, target: Target) -> Numbers:
        """(n, c) cosines of the answer vectors with the choices' vectors."""
        said = [(text, target.task.instructions[0]) for text, _ in target.examples]
        order = sorted(range(len(said)), key=lambda i: len(said[i][0]))
        choices = self.run.targets([content_words(choice) for choice in target.choices])
        scores = np.zeros((len(said), len(choices)))
        for start in range(0, len(order), 32):
            rows = order[start : start + 32]
            vectors = self.run.answer_vectors(self._asked([said[i] for i in rows]))[0]
            scores[rows] = (vectors @ choices.T).double().numpy()
        return scores

    def _asked(self, said: Sequence[tuple[str, str]]) -> Batch:
        return self.run.maker([Asked("", text, ((instruction, ""),)) for text, instruction in said])


def ranking_loss(vectors: Tensor, targets: Tensor, own: Tensor, allowed: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of unit vectors (n, D) over unit targets (m, D): the own one against those ``allowed`` (n, m)."""
    kept = allowed | functional.one_hot(own, len(targets)).bool()
    return functional.cross_entropy((vectors @ targets.T / temperature).masked_fill(~kept, -torch.inf), own)


def _digest(settings: BundledSettings) -> str:
    """Of the start weights, for "bundled" may be another model tomorrow."""
    weights = start_folder(settings.start) / "model.safetensors"
    return hashlib.blake2b(weights.read_bytes(), digest_size=4).hexdigest()


def _rivals(example: MixedExample, outputs: Sequence[str], most: int, rng: random.Random) -> list[str]:
    """Other outputs of the example's task, ``most`` of them drawn at random."""
    own = content_words(example.output)
    return [answer for answer in rng.sample(outputs, min(len(outputs), most + 1)) if answer != own][:most]
