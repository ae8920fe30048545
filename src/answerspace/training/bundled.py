"""The training run of the bundled model: batches in, checkpoints and a log out.

The same command resumes: everything a step depends on (weights, optimiser, earlier answers, place in the data) is
in the checkpoint, and the data's order follows from the seed.
"""

from __future__ import annotations

import ctypes
import json
import math
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from answerspace.backbones.bundled import CONFIG, bundled_folder
from answerspace.engines.bundled_config import BundledConfig
from answerspace.engines.bundled_network import BundledNetwork, start_from_bert
from answerspace.errors import InputError
from answerspace.progress import bar
from answerspace.training.batch import Batch, BatchMaker
from answerspace.training.dev_retrieval import pairs_in_order
from answerspace.training.distillation import Distillation, agreement
from answerspace.training.objective import Losses, losses
from answerspace.training.recipe import DistilRecipe, Recipe
from answerspace.training.rows import ITSELF, Asked, Rows, batches, in_first_wording
from answerspace.training.state import State
from answerspace.training.teacher import TeacherVectors

CHECKPOINT = "checkpoint.pt"
BEST = "best.pt"
LOG = "log.jsonl"


class Run:
    """One training run in a folder. With a teacher its vectors are learned too, as the recipe's ``distil`` says."""

    def __init__(
        self,
        recipe: Recipe,
        rows: Rows,
        output: Path,
        device: str = "cpu",
        *,
        teacher: TeacherVectors | None = None,
    ) -> None:
        self.recipe = recipe
        self.rows = rows
        self.output = output
        self.device = torch.device(device)
        torch.manual_seed(recipe.seed)
        self.start = start_folder(recipe.start)
        tokenizer = Tokenizer.from_file(str(self.start / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self.network = start_network(self.start).to(self.device)
        if recipe.train.slots is not None:
            self.network.config = replace(self.network.config, slots=recipe.train.slots)
        self.maker = BatchMaker(tokenizer, self.network.config, recipe.data)
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)
        self.trained = list(self.network.parameters() if recipe.train.weights == "all" else self.network.trained())
        for parameter in self.trained:
            parameter.requires_grad_(True)
        self.distillation = None
        if teacher is not None:
            distil = recipe.distil or DistilRecipe()
            self.distillation = Distillation(distil, teacher, self.network.config.dimension).to(self.device)
            self.trained += list(self.distillation.parameters())
        self.optimizer = torch.optim.AdamW(_decay_groups(self.trained, recipe.train.weight_decay), lr=0.0, fused=True)
        self.targets = TargetBank(deepcopy(self.network).requires_grad_(False), self.maker)
        self.state = State(memory=torch.zeros(0, self.network.config.dimension, device=self.device))

    def train(
        self, *, until_step: int | None = None, save_every_s: float = 300.0, log_every: int = 25, dev_every: int = 250
    ) -> dict[str, float]:
        """Train to the recipe's end, or to a step before it; returns the last dev scores.

        Goes on from the folder's checkpoint. An interrupt saves a checkpoint first.
        """
        self.output.mkdir(parents=True, exist_ok=True)
        self.resume()
        keep_freed_memory()
        saved = time.monotonic()
        with bar() as progress:
            task = progress.add_task("questions", total=None)
            try:
                for rows in self._batches(until_step):
                    started = time.monotonic()
                    parts = self.step(self.maker(rows))
                    self.state.seconds += time.monotonic() - started
                    progress.update(task, completed=self.state.questions, description=f"step {self.state.step}")
                    if self.state.step % log_every == 0:
                        self._log({name: round(float(value), 4) for name, value in self._reported(parts).items()})
                    if self.state.step % dev_every == 0:
                        self._judge(self.dev_scores())
                    if time.monotonic() - saved > save_every_s:
                        self.save()
                        saved = time.monotonic()
            finally:
                self.save()
        scores = self.dev_scores()
        best = self.output / BEST
        if self.recipe.train.patience and self.done() >= 1 and best.exists() and not self._is_best(scores):
            self._put(torch.load(best, map_location=self.device, weights_only=True))
            scores = self.dev_scores()
        self._log(scores)
        return scores

    def step(self, batch: Batch) -> Losses:
        """One optimiser step."""
        batch = _on(batch, self.device)
        vectors, scores, pooled = self.answer_vectors(batch)
        targets = self.targets(batch.answers, pooled)
        parts = losses(vectors, targets, self.state.memory, scores, batch.words, batch.criteria, self.recipe.loss)
        if self.distillation is not None:
            parts = self._with_teacher(parts, self.distillation(vectors, batch.pairs))
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.optimizer.zero_grad(set_to_none=True)
        parts.total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.trained, self.recipe.train.clip)
        self.optimizer.step()
        if self.recipe.train.memory:
            self.state.memory = torch.cat([targets, self.state.memory])[: self.recipe.train.memory]
        self.state.step += 1
        self.state.questions += len(batch.owner)
        return Losses(*(part.detach() for part in parts))

    def _reported(self, parts: Losses) -> dict[str, Tensor]:
        used = {"teacher": self.distillation is not None, "criteria": bool(self.recipe.loss.criteria)}
        return {name: part for name, part in parts._asdict().items() if used.get(name, True)}

    def _with_teacher(self, parts: Losses, taught: Tensor) -> Losses:
        """The total of both; without gold answers their parts are left out, for they need not be numbers."""
        gold = 0.0 if self.distillation is None else self.distillation.recipe.gold
        if gold:
            return parts._replace(total=gold * parts.total + taught, teacher=taught)
        none = torch.zeros_like(taught)
        return Losses(taught, none, none, none, taught, none)

    def answer_vectors(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Unit answer vectors (Q, D), slot scores (Q, slots, V) and the texts' own unit vectors (Q, D)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.recipe.train.weights == "all"):
            read = self.network.read(batch.text_ids, batch.text_mask)
        pooled = pooled_vectors(read[-1].detach(), batch.text_mask)[batch.owner]
        pairs = [(k[batch.owner], v[batch.owner]) for k, v in self.network.text_pairs(read)]
        text_mask = batch.text_mask[batch.owner]
        last = self.network.ask(pairs, text_mask, batch.question_ids, batch.question_mask)[-1]
        slots = last.gather(1, batch.slots[..., None].expand(-1, -1, last.shape[-1]))
        return functional.normalize(slots.mean(1), dim=-1), self.network.scores(slots), pooled

    def learning_rate(self) -> float:
        """Linear warm-up, then half a cosine to 0."""
        train = self.recipe.train
        warm = min(1.0, (self.state.step + 1) / max(1, train.warmup_steps))
        return train.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, self.done())))

    def done(self) -> float:
        """The share of the run that is over, 0 to 1, by steps or by training time, whichever is further."""
        train = self.recipe.train
        by_steps = self.state.step / train.steps if train.steps else 0.0
        by_time = self.state.seconds / 60 / train.minutes if train.minutes else 0.0
        if train.patience and self.state.no_better >= train.patience:
            return 1.0
        return max(by_steps, by_time)

    @torch.no_grad()
    def dev_scores(self, most: int = 1500) -> dict[str, float]:
        """On held-apart texts: how often the nearest of all dev answers is the right one; MRR; first word right.

        With a teacher also the correlation of its cosines with the student's.
        """
        rows = sorted(self.rows.dev, key=lambda a: (len(a.text), a.text))[:: max(1, len(self.rows.dev) // most)]
        found, truth, pairs, first = [], [], [], 0
        for i in range(0, len(rows), 64):
            batch = _on(self.maker(_with_some(rows[i : i + 64])), self.device)
            vectors, scores, _ = self.answer_vectors(batch)
            found.append(vectors)
            truth += batch.answers
            pairs += batch.pairs
            first += int((scores[:, 0].argmax(-1) == batch.words[:, 0]).sum())
        if not truth:
            return {}
        taught = {}
        if self.distillation is not None:
            chosen = slice(None, None, 1 + len(pairs) // 1000)
            theirs = self.distillation.taught(pairs[chosen], self.device)
            taught = {"dev_teacher": round(agreement(torch.cat(found)[chosen], theirs), 4)}
            if not self.distillation.recipe.gold:
                return taught
        distinct = sorted(set(truth))
        place = {answer: i for i, answer in enumerate(distinct)}
        similar = torch.cat(found) @ self.targets(distinct).T
        own = similar[torch.arange(len(truth)), torch.tensor([place[a] for a in truth])]
        rank = 1 + (similar > own[:, None]).sum(1)
        return (
            self.family_scores()
            | taught
            | {
                "dev_accuracy": round(float((rank == 1).float().mean()), 4),
                "dev_mrr": round(float((1 / rank).mean()), 4),
                "dev_first_word": round(first / len(truth), 4),
                "dev_questions": len(truth),
            }
        )

    @torch.no_grad()
    def family_scores(self) -> dict[str, float]:
        """On held-apart families: how often the nearest of the criterion's answers in the family is the right one.

        ``family_pairs``: how often two texts of equal answer are nearer than two of different answer, by criterion.
        """
        right, chance, asked, apart = 0.0, 0.0, 0, []
        for family in self.rows.dev_families:
            rows = in_first_wording(family)
            if not rows:
                continue
            batch = _on(self.maker(rows), self.device)
            vectors = self.answer_vectors(batch)[0]
            for criterion in range(int(batch.criteria.max()) + 1):
                places = (batch.criteria == criterion).nonzero().flatten()
                answers = [batch.answers[i] for i in places.tolist()]
                distinct = sorted(set(answers))
                truth = torch.tensor([distinct.index(answer) for answer in answers], device=self.device)
                nearest = (vectors[places] @ self.targets(distinct).T).argmax(1)
                right, asked = right + float((nearest == truth).sum()), asked + len(answers)
                chance += len(answers) / len(distinct)
                apart += pairs_in_order(vectors[places], truth)
        if not asked:
            return {}
        accuracy = {"family_accuracy": round(right / asked, 4), "family_chance": round(chance / asked, 4)}
        return accuracy | ({"family_pairs": round(sum(apart) / len(apart), 4)} if apart else {})

    def save(self) -> None:
        """Write the checkpoint; a reader never sees half of one."""
        values: dict[str, Any] = {
            "state": vars(self.state),
            "weights": [p.detach() for p in self.trained],
            "optimizer": self.optimizer.state_dict(),
        }
        partial = self.output / (CHECKPOINT + ".partial")
        torch.save(values, partial)
        partial.replace(self.output / CHECKPOINT)

    def resume(self) -> None:
        """Go on from the folder's checkpoint, if there is one."""
        path = self.output / CHECKPOINT
        if not path.exists():
            return
        values = torch.load(path, map_location=self.device, weights_only=True)
        self.state = State(**values["state"])
        self._put(values["weights"])
        self.optimizer.load_state_dict(values["optimizer"])

    def _put(self, weights: list[Tensor]) -> None:
        with torch.no_grad():
            for parameter, saved in zip(self.trained, weights, strict=True):
                parameter.copy_(saved)

    def _judge(self, scores: dict[str, float]) -> None:
        """Log dev scores; with patience keep the best weights, or count that these are no better."""
        self._log(scores)
        if not self.recipe.train.patience:
            return
        if self._is_best(scores):
            self.state.best, self.state.no_better = scores[self.recipe.train.score], 0
            partial = self.output / (BEST + ".partial")
            torch.save([p.detach() for p in self.trained], partial)
            partial.replace(self.output / BEST)
        else:
            self.state.no_better += 1

    def _is_best(self, scores: dict[str, float]) -> bool:
        name = self.recipe.train.score
        if name not in scores:
            raise InputError(f"train.score must be one of {', '.join(scores) or 'the dev scores'}. Got {name!r}.")
        return self.state.best is None or scores[name] > self.state.best

    def _batches(self, until_step: int | None) -> Iterator[list[Asked]]:
        while True:
            made = batches(self.rows, self.recipe, self.state.epoch)
            while self.state.batch < len(made):
                if self.done() >= 1 or self.state.step == until_step:
                    return
                yield made[self.state.batch]
                self.state.batch += 1
            self.state.epoch, self.state.batch = self.state.epoch + 1, 0

    def _log(self, values: dict[str, float]) -> None:
        s = self.state
        place = {"step": s.step, "epoch": s.epoch, "questions": s.questions, "seconds": round(s.seconds, 1)}
        with (self.output / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(place | values) + "\n")


class TargetBank:
    """Gold answers as vectors of the frozen start model, each computed once."""

    def __init__(self, network: BundledNetwork, maker: BatchMaker) -> None:
        self.network = network
        self.maker = maker
        self.known: dict[str, Tensor] = {}

    @torch.no_grad()
    def __call__(self, answers: list[str], itself: Tensor | None = None) -> Tensor:
        """(Q, D) unit vectors; where an answer is ITSELF, the row of ``itself``."""
        device = self.network.projection.weight.device
        new = sorted({answer for answer in answers if answer not in self.known}, key=len)
        for i in range(0, len(new), 256):
            ids, mask = (t.to(device) for t in self.maker.texts(new[i : i + 256]))
            mean = pooled_vectors(self.network.read(ids, mask)[-1], mask)
            self.known.update(zip(new[i : i + 256], mean, strict=True))
        rows = [self.known[a] if a != ITSELF or itself is None else itself[i] for i, a in enumerate(answers)]
        return torch.stack(rows)


def pooled_vectors(states: Tensor, mask: Tensor) -> Tensor:
    """States (B, L, D) and mask (B, L) -> the unit vectors (B, D) of their means, as the start model pools."""
    total = (states * mask[..., None]).sum(1)
    return functional.normalize(total / mask.sum(1, keepdim=True), dim=-1)


def start_folder(name: str) -> Path:
    """The start model's folder: a path, "bundled", or an installed package that carries one in ``model/``."""
    if name == "bundled":
        return bundled_folder()
    path = Path(name)
    if path.is_dir():
        return path
    spec = find_spec(name) if name.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"The start model must be a folder or an installed package with a model. Got {name!r}.")
    return Path(spec.submodule_search_locations[0]) / "model"


def start_network(folder: Path) -> BundledNetwork:
    """A network from a BERT checkpoint, or from a bundled model's folder to train further."""
    weights = load_file(folder / "model.safetensors")
    if (folder / CONFIG).exists():
        stored = json.loads((folder / CONFIG).read_text("utf-8"))
        network = BundledNetwork(BundledConfig(**stored["network"]))
        network.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
        return network
    bert = json.loads((folder / "config.json").read_text("utf-8"))
    network = BundledNetwork(
        BundledConfig(
            layers=bert["num_hidden_layers"],
            dimension=bert["hidden_size"],
            heads=bert["num_attention_heads"],
            intermediate=bert["intermediate_size"],
            vocabulary=bert["vocab_size"],
            positions=bert["max_position_embeddings"],
            text_length=min(BundledConfig.text_length, bert["max_position_embeddings"]),
            norm_eps=bert["layer_norm_eps"],
        )
    )
    start_from_bert(network, weights)
    return network


def keep_freed_memory() -> None:
    """Tell glibc to keep freed blocks. Without it a step spends a third of its time in page faults."""
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-3, 2**31 - 1)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
    except (OSError, AttributeError):
        return


def _decay_groups(parameters: list[torch.nn.Parameter], decay: float) -> list[dict[str, Any]]:
    matrices = [p for p in parameters if p.ndim > 1]
    return [
        {"params": matrices, "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _on(batch: Batch, device: torch.device) -> Batch:
    moved: dict[str, Any] = {name: v.to(device) for name, v in batch._asdict().items() if isinstance(v, Tensor)}
    return batch._replace(**moved)


def _with_some(rows: list[Asked], most: int = 2) -> list[Asked]:
    return [Asked(row.source, row.text, row.qa[:most]) for row in rows]
