"""The recipe of a language model that is trained to answer: InBedder's fine-tuning (arXiv 2402.09642, appendix).

The presets beside this file hold the published hyper-parameters; a recipe is a frozen value, ``dataclasses.replace``
or ``--set`` changes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from answerspace.errors import InputError
from answerspace.prompts import resolve_template
from answerspace.training.toml_values import build, recipe_values

KIND = "answers-as-text"


@dataclass(frozen=True)
class LanguageData:
    """Which rows, and how they become prompts.

    ``source`` is a file or a hub id; ``--data`` overrides it. ``length``: tokens of prompt and answer together, None
    is 512 or what the model holds; ``answer_length`` of them are kept for the answer and its end token, so a prompt
    has at most ``length - answer_length``, in training and afterwards. ``dev_share`` of the texts are held apart.
    """

    source: str = ""
    template: str = "inbedder"
    remove_stop_words: bool = True
    length: int | None = None
    answer_length: int = 20
    dev_share: float = 0.002
    rows: int | None = None

    def __post_init__(self) -> None:
        resolve_template(self.template)
        if self.answer_length < 2:
            raise InputError(f"data.answer_length must be at least 2. Got {self.answer_length}.")
        if not 0 <= self.dev_share < 1:
            raise InputError(f"data.dev_share must be at least 0 and below 1. Got {self.dev_share}.")


@dataclass(frozen=True)
class Optimisation:
    """AdamW for ``epochs`` passes or ``steps`` steps.

    ``batch`` rows make one step whatever the number of devices; ``device_batch`` of them go through a device at once.
    ``precision`` "bfloat16" computes in it over float32 weights; ``weights`` "bfloat16" also keeps the weights in it
    (for LoRA on a large model). ``warmup`` is a share of the steps. ``deterministic`` asks the GPU for repeatable
    kernels; the processor's are.
    """

    epochs: float = 1.0
    steps: int | None = None
    batch: int = 64
    device_batch: int = 8
    learning_rate: float = 2e-5
    schedule: str = "cosine"
    warmup: float = 0.03
    weight_decay: float = 0.0
    clip: float = 1.0
    precision: str = "float32"
    weights: str = "float32"
    gradient_checkpointing: bool = False
    deterministic: bool = False
    log_every: int = 25
    save_every: int = 250

    def __post_init__(self) -> None:
        for name in ("precision", "weights"):
            if getattr(self, name) not in ("float32", "bfloat16"):
                raise InputError(f"train.{name} must be float32 or bfloat16. Got {getattr(self, name)!r}.")
        if self.schedule not in ("cosine", "linear", "constant"):
            raise InputError(f"train.schedule must be cosine, linear or constant. Got {self.schedule!r}.")
        for name in ("batch", "device_batch", "log_every", "save_every"):
            if getattr(self, name) < 1:
                raise InputError(f"train.{name} must be at least 1. Got {getattr(self, name)}.")


@dataclass(frozen=True)
class Lora:
    """Low-rank updates instead of all weights (peft); they are merged into the saved model.

    ``modules`` names the layers they go to; none means every linear layer but the head.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class DevScore:
    """The dev score, measured every ``train.save_every`` steps with each checkpoint.

    ``score`` ("loss" or "retrieval") decides which checkpoint is best; ``patience`` scores in a row that are no better
    end the run, and the best checkpoint is kept; 0 never stops early. ``rows`` bounds the retrieval score's cost.
    """

    score: str = "loss"
    patience: int = 0
    rows: int = 512

    def __post_init__(self) -> None:
        if self.score not in ("loss", "retrieval"):
            raise InputError(f"dev.score must be loss or retrieval. Got {self.score!r}.")


@dataclass(frozen=True)
class LanguageRecipe:
    """The whole recipe. ``base`` is a hub id or folder; ``aggregation`` and ``answer_tokens`` are saved with the model.

    ``answer_tokens`` None is 3 mask slots or generated tokens, 20 for an encoder-decoder.
    """

    base: str
    data: LanguageData = LanguageData()
    train: Optimisation = Optimisation()
    lora: Lora | None = None
    dev: DevScore = DevScore()
    aggregation: str = "mean_answer"
    answer_tokens: int | None = None
    seed: int = 42


def read_language_recipe(name_or_path: str | Path, changes: Sequence[str] = ()) -> LanguageRecipe:
    """A preset or a TOML file as a value; InputError names an unknown, missing or impossible field."""
    values = recipe_values(name_or_path, changes)
    kind = values.pop("kind", KIND)
    if kind != KIND:
        raise InputError(f"A language model's recipe must say kind = {KIND!r}. Got {kind!r} in {name_or_path}.")
    return build(LanguageRecipe, values)
