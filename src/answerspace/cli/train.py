"""answerspace train: a recipe and data in, a model folder out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from answerspace.cli.terminal import say, stoppable
from answerspace.errors import MissingExtra


def command(
    recipe: Annotated[str, typer.Argument(help="A preset's name or a TOML file. An unknown name lists the presets.")],
    output: Annotated[Path, typer.Option(help="Checkpoints, log.jsonl and model/ are written here.")],
    data: Annotated[
        str | None,
        typer.Option(help="A .jsonl or .parquet file, a hub id, or the folder with a bundled recipe's files."),
    ] = None,
    base: Annotated[str | None, typer.Option(help="The model to start from, instead of the recipe's.")] = None,
    teacher: Annotated[
        str | None, typer.Option(help="The model whose vectors the bundled model learns: a hub id, folder or preset.")
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value, instead of the recipe's. Repeat for more.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="Such as cpu or cuda. Left out: a GPU if there is one.")] = None,
) -> None:
    """Train a model by a recipe: a language model to answer, or the bundled model.

    answerspace train roberta-large --output runs/roberta

    answerspace train opt-1.3b --data rows.jsonl --output runs/opt --set lora.rank=16

    answerspace train distil --teacher llama-2-7b-inbedder --output runs/distilled

    answerspace train recipes/bundled-stage1.toml --data DATA --output runs/stage1

    Several GPUs: accelerate launch --multi_gpu -m answerspace.cli.main train ... The same command goes on after an
    interruption. Needs the train extra.
    """
    first = os.environ.get("RANK", "0") == "0"  # of several processes one speaks
    try:
        from answerspace.training.recipe_kinds import train
    except ImportError:
        raise MissingExtra("Training", "train") from None
    with stoppable(f"The checkpoint is kept in {output}; run the same command again to go on."):
        folder = train(
            recipe,
            output,
            data=data,
            base=base,
            teacher=teacher,
            changes=change or (),
            device=device,
            tell=say,
            show_progress=first,
        )
    if first:
        typer.echo(f"The model is in {folder}. Use it with --model {folder}.")
