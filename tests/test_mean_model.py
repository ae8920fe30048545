"""The mean of models: every weight between its parents', a loadable model, and one sentence for what cannot be."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_bundled import tiny_bundled

from answerspace.embedder import Embedder
from answerspace.errors import InputError
from answerspace.training.mean_model import mean_model
from answerspace.training.recipe_kinds import train


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two models of one shape, the second with every weight one larger."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        shutil.copytree(tiny_bundled(), folder)
        (folder / "README.md").write_text("# A model\n\n## How it was made\nBy hand.\n")
    weights = load_file(first / "model.safetensors")
    save_file({name: tensor + 1 for name, tensor in weights.items()}, second / "model.safetensors")
    return first, second


def test_every_weight_is_the_mean_and_the_model_loads(pair: tuple[Path, Path], tmp_path: Path) -> None:
    recipe = tmp_path / "mean.toml"
    recipe.write_text(f'kind = "mean"\nmodels = {json.dumps([str(one) for one in pair])}\n')
    folder = train(recipe, tmp_path / "run")
    first, second, made = (load_file(one / "model.safetensors") for one in (*pair, folder))
    assert set(made) == set(first)
    for name, tensor in made.items():
        torch.testing.assert_close(tensor.float(), (first[name].float() + second[name].float()) / 2, atol=2e-3, rtol=0)
    assert Embedder.load(str(folder)).encode(["the red cat"], "what colour?").shape[0] == 1
    card = (folder / "README.md").read_text()
    assert "mean of the weights of 2 runs" in card
    assert "By hand." in card


def test_what_cannot_be_averaged_is_said(pair: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = pair
    with pytest.raises(InputError, match="at least two models"):
        mean_model([first], tmp_path / "out")
    with pytest.raises(InputError, match="folder of a bundled model"):
        mean_model([first, tmp_path / "nothing"], tmp_path / "out")
    stored = json.loads((second / "answerspace.json").read_text())
    stored["network"]["slots"] += 1
    (second / "answerspace.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match="one shape"):
        mean_model(pair, tmp_path / "out")
    assert not (tmp_path / "out").exists()
