"""answerspace train: a recipe and data in, a model folder out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from answerspace.cli.terminal import stoppable
from answerspace.errors import MissingExtra


def command(
    recipe: Annotated[Path, typer.Argument(help="A TOML file such as recipes/bundled-stage1.toml.")],
    data: Annotated[Path, typer.Option(help="The folder with the recipe's data files and sources.csv.")],
    output: Annotated[Path, typer.Option(help="Checkpoint, log.jsonl and model/ are written here.")],
    device: Annotated[str, typer.Option(help="A torch device: cpu, cuda, cuda:1, mps.")] = "cpu",
) -> None:
    """Train the bundled model by a recipe.

    answerspace train recipes/bundled-stage1.toml --data DATA --output runs/stage1

    The same command goes on after an interruption. Needs the train extra.
    """
    try:
        from answerspace.training.whole_run import train_bundled
    except ImportError:
        raise MissingExtra("Training", "train") from None
    with stoppable(f"The checkpoint is kept in {output}; run the same command again to go on."):
        folder = train_bundled(recipe, data, output, device=device)
    typer.echo(f"The model is in {folder}. Use it with --model {folder}.")
