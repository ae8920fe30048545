"""The mean of several bundled models' weights: runs from one start that differ in seed make one model.

Source: Wortsman et al. 2022, "Model soups" (arXiv 2203.05482), the uniform soup.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from answerspace.backbones.bundled import CONFIG
from answerspace.engines.bundled_config import BundledConfig
from answerspace.engines.bundled_network import BundledNetwork
from answerspace.errors import InputError
from answerspace.training.export import export
from answerspace.training.graphs import WEIGHTS
from answerspace.training.toml_values import build

KIND = "mean"
HOW = "## How it was made\n"


@dataclass(frozen=True)
class MeanRecipe:
    """``models``: folders of bundled models of one shape, as training wrote them."""

    models: list[str] = field(default_factory=list)


def train_mean(values: Mapping[str, Any], output: Path) -> Path:
    """Average the models that the recipe's values name; returns the folder of the new one. Raises InputError."""
    recipe = build(MeanRecipe, {name: value for name, value in values.items() if name != "kind"})
    return mean_model([Path(name) for name in recipe.models], output / "model")


def mean_model(models: Sequence[Path], folder: Path) -> Path:
    """Write the model whose every weight is the mean of the models' to ``folder``; its card is the first one's.

    Raises InputError for fewer than two models, a folder that is not a bundled model's, and models of unlike shape.
    """
    if len(models) < 2:
        raise InputError(f"A mean must be over at least two models. Got {len(models)}; name them in models = [...].")
    shapes = [_network_config(model) for model in models]
    for model, shape in zip(models, shapes, strict=True):
        if shape != shapes[0]:
            raise InputError(f"All models of a mean must have one shape. {model} differs from {models[0]}.")
    weights = [load_file(model / WEIGHTS) for model in models]
    mean = {name: _mean([one[name] for one in weights]) for name in weights[0]}
    network = BundledNetwork(BundledConfig(**shapes[0]))
    network.load_state_dict(mean)
    said = f"The mean of the weights of {len(models)} runs that differ in seed; what follows is of the first.\n\n"
    card = (models[0] / "README.md").read_text("utf-8").replace(HOW, HOW + said, 1)
    export(network, models[0], folder, card)
    return folder


def _network_config(folder: Path) -> dict[str, Any]:
    try:
        stored: dict[str, Any] = json.loads((folder / CONFIG).read_text("utf-8"))
        return dict(stored["network"])
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder} must be the folder of a bundled model. It is not: {error!r}.") from None


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    total = tensors[0].float()
    for tensor in tensors[1:]:
        total = total + tensor.float()
    return total / len(tensors)
