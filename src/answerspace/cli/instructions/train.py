"""answerspace instructions train: PIE on a language model."""

from __future__ import annotations

from typing import Annotated

import typer

from answerspace.cli import options as shared
from answerspace.cli.instructions import options
from answerspace.cli.terminal import stoppable


def command(
    file: options.File,
    model: Annotated[str, typer.Option(help="The hub id or folder of a causal or masked model to start from.")],
    output: Annotated[str, typer.Option(help="The folder to write; evaluate --pie takes it.")],
    field: options.Field = None,
    prompt: Annotated[str, typer.Option(help="pie or semantic.")] = "pie",
    epochs: Annotated[float, typer.Option(min=0.0, help="Passes over the instructions.")] = 1.0,
    batch_size: Annotated[int, typer.Option(min=2, help="Instructions a step, each with a positive.")] = 8,
    learning_rate: Annotated[float, typer.Option(help="Of Adam.")] = 1e-5,
    hard_negatives: Annotated[bool, typer.Option(help="Add an instruction of the same verb or noun a row.")] = True,
    published: Annotated[bool, typer.Option("--published", help="Repeat the authors' code with its faults.")] = False,
    limit: shared.Limit = None,
    language: options.Language = "en",
    seed: Annotated[int, typer.Option(help="Of the drawing and the dropout.")] = 0,
) -> None:
    """Fine-tune PIE on a language model with the labels of ``answerspace instructions label``. Needs the train extra.

    answerspace instructions train alpaca_data.json --model facebook/opt-350m --output runs/pie
    """
    from answerspace.errors import MissingExtra
    from answerspace.instructions.benchmark import Labelled
    from answerspace.instructions.english import make_extractor
    from answerspace.instructions.labelling import label_instructions

    try:
        from answerspace.instructions.pie_training import PieRecipe, train_pie
    except ImportError:
        raise MissingExtra("Training PIE", "train") from None
    instructions = options.read_set(file, field, limit, quiet=False)
    labelling = label_instructions(instructions, make_extractor(language), show_progress=True)
    main = [labels[0] for labels in labelling.labels]
    rows = [Labelled(*row) for row in zip(instructions.texts, main, labelling.tasks, strict=True)]
    recipe = PieRecipe(
        prompt=prompt,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        hard_negatives=hard_negatives,
        published=published,
        seed=seed,
    )
    with stoppable(f"Nothing was written to {output}."):
        train_pie(model, rows, output, recipe)
    typer.echo(f"Wrote {output}")
