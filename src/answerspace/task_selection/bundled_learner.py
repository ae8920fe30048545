"""The bundled model as the learner of an experiment: small enough to train on a CPU, and it learns.

An example is read as text = input and question = the task's instruction. The answer vector is trained towards the
frozen start model's vector of the output by a softmax over what could have been said instead: the task's own labels
where these are fixed, otherwise the outputs of the batch's other examples without labels. Only the asker is trained,
so reading stays that of the start model.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from answerspace.task_selection.mixture import MixedExample
from answerspace.task_selection.task_pool import PoolTask
from answerspace.task_selection.transfer_experiment import MOST_LABELS, Learner, Numbers, Target
from answerspace.training.answer_words import content_words
from answerspace.training.batch import Batch
from answerspace.training.bundled import Run, keep_freed_memory
from answerspace.training.recipe import DataRecipe, Recipe, TrainRecipe
from answerspace.training.rows import Asked, Rows

SAME_ANSWER = 0.95  # outputs without labels whose vectors are nearer than this do not push each other away


@dataclass(frozen=True)
class BundledSettings:
    """How the bundled model is trained in an experiment. Lengths are in tokens, ``passes`` over the mixture."""

    start: str = "bundled"
    learning_rate: float = 3e-4
    passes: int = 2
    batch: int = 16
    temperature: float = 0.05
    text_length: int = 48
    question_length: int = 48

    def __str__(self) -> str:
        return "bundled " + json.dumps(asdict(self))


def bundled_learner(settings: BundledSettings, tasks: Sequence[PoolTask]) -> Learner:
    """A learner for mixtures of these tasks; without examples it gives the untrained model."""
    labels = {task.name: task.answers for task in tasks if 2 <= len(task.answers) <= MOST_LABELS}

    def train(mixture: Sequence[MixedExample], seed: int) -> BundledModel:
        keep_freed_memory()
        model = BundledModel(settings, -(-len(mixture) * settings.passes // settings.batch), seed)
        for batch in _batches(mixture, settings, seed):
            model.step(batch, labels)
        return model

    return Learner(str(settings), train, untrained=True)


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

    def step(self, examples: Sequence[MixedExample], labels: Mapping[str, Sequence[str]]) -> float:
        """One optimiser step; the loss before it."""
        run = self.run
        vectors = run.answer_vectors(self._asked([(one.input, one.instruction) for one in examples]))[0]
        rivals = Rivals.of(examples, labels)
        targets = run.targets(rivals.answers)
        loss = ranking_loss(vectors, targets, rivals, self.settings.temperature)
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
        choices = self.run.targets([content_words(choice) for choice in target.task.answers])
        scores = np.zeros((len(said), len(choices)))
        for start in range(0, len(order), 32):
            rows = order[start : start + 32]
            vectors = self.run.answer_vectors(self._asked([said[i] for i in rows]))[0]
            scores[rows] = (vectors @ choices.T).double().numpy()
        return scores

    def _asked(self, said: Sequence[tuple[str, str]]) -> Batch:
        return self.run.maker([Asked("", text, ((instruction, ""),)) for text, instruction in said])


@dataclass(frozen=True)
class Rivals:
    """What each of n examples could have been answered: distinct ``answers`` (m), ``allowed`` (n, m), ``own`` (n,)."""

    answers: list[str]
    allowed: Tensor
    own: Tensor
    free: Tensor  # (n,) whether the example's task has no fixed labels

    @classmethod
    def of(cls, examples: Sequence[MixedExample], labels: Mapping[str, Sequence[str]]) -> Rivals:
        """Its task's labels for each example; for those without labels the outputs of all of these."""
        own = [content_words(one.output) for one in examples]
        fixed = [[content_words(label) for label in labels.get(one.task, ())] for one in examples]
        free = [answer not in choices for answer, choices in zip(own, fixed, strict=True)]
        open_answers = [answer for answer, is_free in zip(own, free, strict=True) if is_free]
        each = [open_answers if is_free else choices for is_free, choices in zip(free, fixed, strict=True)]
        answers = sorted({answer for choices in each for answer in choices})
        place = {answer: i for i, answer in enumerate(answers)}
        allowed = torch.zeros(len(own), len(answers), dtype=torch.bool)
        for row, choices in zip(allowed, each, strict=True):
            row[[place[answer] for answer in choices]] = True
        return cls(answers, allowed, torch.tensor([place[answer] for answer in own]), torch.tensor(free))


def ranking_loss(vectors: Tensor, targets: Tensor, rivals: Rivals, temperature: float) -> Tensor:
    """Cross-entropy of unit answer vectors (n, D) over their rivals' unit vectors (m, D)."""
    like = (targets[rivals.own] @ targets.T > SAME_ANSWER) & rivals.free[:, None]
    itself = functional.one_hot(rivals.own, len(targets)).bool()
    kept = rivals.allowed & (~like | itself)
    return functional.cross_entropy((vectors @ targets.T / temperature).masked_fill(~kept, -torch.inf), rivals.own)


def _batches(mixture: Sequence[MixedExample], settings: BundledSettings, seed: int) -> list[list[MixedExample]]:
    """All passes, each in an order of its own, in batches; texts of a batch are not sorted by length."""
    rng = random.Random(f"{seed}:passes")
    rows = [one for _ in range(settings.passes) for one in rng.sample(mixture, len(mixture))]
    return [rows[i : i + settings.batch] for i in range(0, len(rows), settings.batch)]
