"""A recipe in, a loadable model out: the one function behind ``answerspace train``."""

from __future__ import annotations

from pathlib import Path

from answerspace.training.bundled import Run
from answerspace.training.card import card
from answerspace.training.export import export
from answerspace.training.recipe import read_recipe
from answerspace.training.rows import read_rows


def train_bundled(recipe_path: Path, data: Path, output: Path, *, device: str = "cpu") -> Path:
    """Train by the recipe and write checkpoint, log and ``model/`` to ``output``; returns the model's folder.

    A folder with a checkpoint is gone on with. Written questions and answers are looked for from the current folder.
    Raises InputError for a recipe or data that cannot be used.
    """
    recipe = read_recipe(recipe_path)
    rows = read_rows(data, recipe.data)
    run = Run(recipe, rows, output, device)
    scores = run.train()
    folder = output / "model"
    export(run.network, run.start, folder, card(recipe_path, rows, run.state, scores))
    return folder
