"""A recipe: everything that decides what the bundled training run does, read from one TOML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from answerspace.errors import InputError
from answerspace.training.toml_values import build, recipe_values

KIND = "bundled"


@dataclass(frozen=True)
class DataRecipe:
    """Which rows are trained on. Lengths are in tokens; ``cap`` and ``caps`` count rows of one source and pass.

    ``files`` lie below the folder given with ``--data``; ``source`` is a file or hub id used when none is given.
    Rows whose question has more than ``question_letters`` characters are left out: they hold a story of their own.
    Texts longer than ``letters`` characters are asked passage by passage (0: cut at ``text_length`` only).
    ``answer_shares`` bounds what part of a source's rows may have the same answer. ``families`` are files of written
    families, of which ``family_dev_share`` is held apart; ``family_repeats`` is how often each comes in a pass.
    ``generic`` is the share of texts that are also asked what they are about, with their own vector as the answer.
    """

    files: list[str] = field(default_factory=list)
    source: str = ""
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

    ``weights``: "asker" leaves the reader and the word vectors as they are; "all" trains them too. ``patience`` dev
    scores in a row that are no better end the run and the best weights are kept; 0 never stops early. ``score`` is the
    dev score that counts. ``slots`` is the number of answer masks; None is the start model's.
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
    slots: int | None = None
    patience: int = 0
    score: str = "dev_accuracy"


@dataclass(frozen=True)
class LossRecipe:
    """Weights of the parts of the objective; 0 switches a part off.

    ``criteria`` weighs the contrast of answer vectors under one criterion: equal answers together, whatever the wording
    of the question, different answers apart, however alike their words are. The relations then leave such pairs alone.
    """

    contrast: float = 1.0
    temperature: float = 0.05
    same_answer: float = 0.85
    words: float = 0.3
    relations: float = 2.0
    criteria: float = 0.0
    criteria_temperature: float = 0.1


@dataclass(frozen=True)
class DistilRecipe:
    """What is learned from a teacher: weights of its cosine matrix and of a projection into its space.

    ``gold`` weighs the whole of LossRecipe beside it; 0 learns from the teacher alone and needs no answers.
    ``centre`` subtracts a batch's mean vector before cosines are compared.
    """

    relations: float = 4.0
    projection: float = 0.0
    gold: float = 1.0
    centre: bool = True


@dataclass(frozen=True)
class Recipe:
    """The whole recipe. ``start`` is the BERT-shaped start model, or a bundled model's folder to go on from.

    "bundled" is the one in the package. ``distil`` asks for a teacher.
    """

    start: str
    data: DataRecipe
    train: TrainRecipe = TrainRecipe()
    loss: LossRecipe = LossRecipe()
    distil: DistilRecipe | None = None
    seed: int = 0


def read_recipe(name_or_path: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """The recipe in a TOML file or a preset; ``changes`` are "section.key=value". InputError names a wrong field."""
    values = recipe_values(name_or_path, changes)
    kind = values.pop("kind", KIND)
    if kind != KIND:
        raise InputError(f"A bundled model's recipe must say kind = {KIND!r}. Got {kind!r} in {name_or_path}.")
    recipe = build(Recipe, values)
    if not recipe.data.files and not recipe.data.source:
        raise InputError(f"The recipe {name_or_path} must set data.files or data.source. It sets neither.")
    if recipe.train.minutes is None and recipe.train.steps is None:
        raise InputError(f"The recipe {name_or_path} must set train.minutes or train.steps. It sets neither.")
    if recipe.train.weights not in ("asker", "all"):
        raise InputError(f"train.weights must be 'asker' or 'all'. Got {recipe.train.weights!r}.")
    if recipe.train.slots is not None and recipe.train.slots < 1:
        raise InputError(f"train.slots must be at least 1. Got {recipe.train.slots}.")
    return recipe
