"""A recipe: everything that decides what the bundled training run does, read from one TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from answerspace.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class DataRecipe:
    """Which rows are trained on. Lengths are in tokens; ``cap`` and ``caps`` count rows of one source and pass.

    Rows whose question has more than ``question_letters`` characters are left out: they hold a story of their own.
    Texts longer than ``letters`` characters are asked passage by passage (0: cut at ``text_length`` only).
    ``answer_shares`` bounds what part of a source's rows may have the same answer. ``families`` are files of written
    families, of which ``family_dev_share`` is held apart; ``family_repeats`` is how often each comes in a pass.
    ``generic`` is the share of texts that are also asked what they are about, with their own vector as the answer.
    """

    files: list[str]
    classes: list[str] = field(default_factory=lambda: ["open"])
    written: list[str] = field(default_factory=list)
    families: list[str] = field(default_factory=list)
    family_dev_share: float = 0.06
    family_repeats: int = 1
    generic: float = 0.0
    letters: int = 0
    answer_shares: dict[str, float] = field(default_factory=dict)
    cap: int = 4000
    caps: dict[str, int] = field(default_factory=dict)
    dev_share: float = 0.004
    questions_per_text: int = 4
    text_length: int = 128
    question_length: int = 40
    question_letters: int = 110


@dataclass(frozen=True)
class TrainRecipe:
    """How long and how fast. The learning rate falls to 0 over ``steps``, or over ``minutes`` of training time.

    ``weights``: "asker" leaves the reader and the word vectors as they are; "all" trains them too.
    """

    texts_per_batch: int = 48
    group: int = 4
    learning_rate: float = 2.5e-4
    warmup_steps: int = 100
    weight_decay: float = 0.01
    clip: float = 1.0
    minutes: float | None = None
    steps: int | None = None
    memory: int = 1024
    weights: str = "asker"


@dataclass(frozen=True)
class LossRecipe:
    """Weights of the parts of the objective; 0 switches a part off."""

    contrast: float = 1.0
    temperature: float = 0.05
    same_answer: float = 0.85
    words: float = 0.3
    relations: float = 2.0


@dataclass(frozen=True)
class Recipe:
    """The whole recipe. ``start`` is the BERT-shaped start model, or a bundled model's folder to go on from."""

    start: str
    data: DataRecipe
    train: TrainRecipe = TrainRecipe()
    loss: LossRecipe = LossRecipe()
    seed: int = 0


def read_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file; InputError names an unknown or missing field."""
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"The recipe must be a TOML file. There is none at {path}.") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"The recipe {path} must be valid TOML: {error}.") from None
    parts: dict[str, Any] = {
        "data": _build(DataRecipe, raw.pop("data", {}), "data"),
        "train": _build(TrainRecipe, raw.pop("train", {}), "train"),
        "loss": _build(LossRecipe, raw.pop("loss", {}), "loss"),
    }
    recipe = _build(Recipe, raw | parts, "recipe")
    if recipe.train.minutes is None and recipe.train.steps is None:
        raise InputError(f"The recipe {path} must set train.minutes or train.steps. It sets neither.")
    if recipe.train.weights not in ("asker", "all"):
        raise InputError(f"train.weights must be 'asker' or 'all'. Got {recipe.train.weights!r}.")
    return recipe


def _build(kind: type[T], values: dict[str, Any], where: str) -> T:
    names = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise InputError(f"{where} has no field {unknown[0]!r}. Its fields are {', '.join(names)}.")
    try:
        return kind(**values)
    except TypeError as error:
        raise InputError(f"{where} lacks a field: {error}.") from None
