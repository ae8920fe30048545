"""One door to every training run: a recipe's kind decides which run it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from answerspace.errors import InputError
from answerspace.training.language_model import train_language_model
from answerspace.training.language_recipe import KIND, read_language_recipe
from answerspace.training.mean_model import KIND as MEAN
from answerspace.training.mean_model import train_mean
from answerspace.training.recipe import KIND as BUNDLED
from answerspace.training.toml_values import recipe_values
from answerspace.training.whole_run import train_bundled


def train(
    recipe: str | Path,
    output: Path,
    *,
    data: str | Path | None = None,
    base: str | None = None,
    teacher: str | None = None,
    changes: Sequence[str] = (),
    device: str | None = None,
    tell: Callable[[str], None] = lambda note: None,
    show_progress: bool = False,
) -> Path:
    """Train by a preset or a TOML file; returns the model's folder, which ``Embedder.load`` takes.

    ``data``: a file or hub id; for the bundled model also the folder of the recipe's files. ``base``: the model to
    start from instead of the recipe's. ``teacher``: an embedder's name whose vectors the bundled model learns.
    ``changes``: "section.key=value". Raises InputError.
    """
    values = recipe_values(recipe, changes)
    kind = values.get("kind", BUNDLED)
    if kind == KIND:
        if teacher is not None:
            raise InputError(
                "--teacher needs a recipe of the bundled model, such as distil. This one is of a language model."
            )
        chosen = read_language_recipe(recipe, changes)
        chosen = chosen if base is None else replace(chosen, base=base)
        folder = train_language_model(chosen, output, data=data, device=device, tell=tell, show_progress=show_progress)
        assert folder is not None, "only until_step ends a run early"
        return folder
    if kind == BUNDLED:
        return train_bundled(
            recipe, data, output, base=base, teacher=teacher, changes=changes, device=device, tell=tell
        )
    if kind == MEAN:
        return train_mean(values, output)
    raise InputError(f"A recipe's kind must be {BUNDLED!r}, {MEAN!r} or {KIND!r}. Got {kind!r}.")
