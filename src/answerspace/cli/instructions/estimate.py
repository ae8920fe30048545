"""answerspace instructions estimate: scores on a whole benchmark from those on the items kept."""

from __future__ import annotations

from typing import Annotated

import typer

from answerspace.cli import options as shared
from answerspace.cli.instructions import options
from answerspace.cli.terminal import one_line


def command(
    short: Annotated[str, typer.Argument(metavar="SHORT", help="What compress wrote.")],
    scores: Annotated[str, typer.Argument(metavar="SCORES", help="Scores of new models on the items kept.")],
    item: Annotated[str | None, typer.Option(help="The column that tells items apart.")] = None,
    quiet: shared.Quiet = False,
) -> None:
    """Estimate models' scores on the whole benchmark from their scores on the items that compress kept.

    answerspace instructions estimate short.csv new_scores.csv
    """
    from answerspace.instructions import score_tables

    table = score_tables.read_scores(scores, item=item, fewest_models=1, fewest_items=1)
    options.tell(table.notes, quiet)
    found = score_tables.estimate_from(short, table)
    for model, score in sorted(found.items(), key=lambda pair: -pair[1]):
        typer.echo(f"{score:10.4f}  {one_line(model, 80)}")
