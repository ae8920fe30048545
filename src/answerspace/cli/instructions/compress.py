"""answerspace instructions compress: a small benchmark that keeps the ranking of models."""

from __future__ import annotations

from typing import Annotated

import typer

from answerspace.cli import options as shared
from answerspace.cli.instructions import options
from answerspace.cli.terminal import stoppable


def command(
    ctx: typer.Context,
    scores: Annotated[
        str, typer.Argument(metavar="SCORES", help="A table: a row an item, a column a model; or item, model, score.")
    ],
    output: Annotated[str, typer.Option(help="The items that are kept, with weights, as .csv.")],
    count: Annotated[int, typer.Option(min=1, help="How many items to keep.")],
    method: Annotated[
        str, typer.Option(help="calibrated, anchors, clusters (published; needs --text) or random.")
    ] = "calibrated",
    item: Annotated[str | None, typer.Option(help="The column that tells items apart.")] = None,
    text: Annotated[str | None, typer.Option(help="The column with the items' instructions.")] = None,
    draws: Annotated[
        int, typer.Option(min=0, help="How often to measure the loss: half the models known, half estimated.")
    ] = 20,
    by: options.By = "task",
    cache: shared.Cache = None,
    language: options.Language = "en",
    seed: options.Seed = 0,
    quiet: shared.Quiet = False,
) -> None:
    """Make a small benchmark that keeps the ranking of models, from their scores on every item.

    answerspace instructions compress scores.csv --count 50 --output short.csv

    answerspace instructions compress scores.csv --count 50 --output short.csv --text instruction --method clusters
    """
    from answerspace.instructions import compression, score_tables, task_space

    path = score_tables.checked_csv(output)
    table = score_tables.read_scores(scores, item=item, text=text)
    options.tell(table.notes, quiet)
    compression.check_compression(len(table.items), count, method, with_vectors=text is not None)
    with stoppable(options.kept(cache)):
        vectors = None
        if table.texts is not None:
            encoder = options.encoder(ctx, by, cache, options.extractor(language, quiet))
            [vectors] = task_space.task_vectors(encoder, table.texts, show_progress=not quiet)
        typer.echo(f"{len(table.items):,} items, {len(table.models):,} models.")
        if draws and len(table.models) >= compression.FEWEST_MODELS:
            found = compression.measure_fidelity(
                table.scores, [count], vectors=vectors, draws=draws, seed=seed, show_progress=not quiet
            )
            typer.echo(compression.fidelity_table(found), nl=False)
        elif draws:
            typer.echo(f"The loss is measured from {compression.FEWEST_MODELS} models on.")
        short = compression.compress(table.scores, count, method=method, vectors=vectors, seed=seed)
    score_tables.write_short(path, table, short)
    typer.echo(f"Wrote {output}")
