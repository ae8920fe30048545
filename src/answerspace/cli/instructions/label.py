"""answerspace instructions label: the verb and the noun of each instruction's task."""

from __future__ import annotations

from typing import Annotated

import typer

from answerspace.cli import options as shared
from answerspace.cli.instructions import options
from answerspace.cli.terminal import one_line, stoppable

TASKS_SHOWN = 20


def command(
    file: options.File,
    field: options.Field = None,
    output: Annotated[
        str | None, typer.Option(help="Write a row an instruction to this .csv, .jsonl or .parquet file.")
    ] = None,
    merge: Annotated[bool, typer.Option(help="Give synonymous labels one task name.")] = True,
    limit: shared.Limit = None,
    language: options.Language = "en",
    quiet: shared.Quiet = False,
) -> None:
    """Label each instruction with the verb and the noun of its task, and show the most frequent tasks.

    answerspace instructions label alpaca_data.json --output labels.csv

    answerspace instructions label chats.jsonl --field prompt --limit 1000
    """
    from answerspace.instructions.english import make_extractor
    from answerspace.instructions.labelling import checked_output, label_instructions

    if output is not None:
        checked_output(output)
    instructions = options.read_set(file, field, limit, quiet)
    with stoppable("Nothing was written."):
        labelling = label_instructions(instructions, make_extractor(language), merge=merge, show_progress=not quiet)
    several = sum(len(labels) > 1 for labels in labelling.labels)
    total = len(labelling.tasks)
    typer.echo(f"{total:,} instructions, {len(labelling.counts):,} tasks; {several:,} instructions have several steps.")
    for task, count in labelling.counts[:TASKS_SHOWN]:
        typer.echo(f"{count:7,}  {100 * count / total:5.1f} %  {one_line(task, 60)}")
    if output is not None:
        labelling.write(output)
        typer.echo(f"Wrote {output}")
