"""answerspace instructions deduplicate: the first of each kind of near-duplicates stays."""

from __future__ import annotations

from typing import Annotated

import typer

from answerspace.cli import options as shared
from answerspace.cli.instructions import options
from answerspace.cli.terminal import one_line, stoppable

GROUPS_SHOWN = 10


def command(
    file: options.File,
    output: Annotated[str, typer.Option(help="The rows that are kept, as they were read, as .jsonl.")],
    threshold: Annotated[
        float, typer.Option(help="The overlap (Jaccard, character 5-grams) from which texts are near-duplicates.")
    ] = 0.8,
    instruction_only: Annotated[
        bool, typer.Option("--instruction-only", help="Do not look at the row's input.")
    ] = False,
    field: options.Field = None,
    limit: shared.Limit = None,
    quiet: shared.Quiet = False,
) -> None:
    """Drop near-duplicate instructions; the first of a kind stays.

    answerspace instructions deduplicate pool.jsonl --output clean.jsonl
    """
    from answerspace.instructions import task_space
    from answerspace.instructions.duplicates import find_duplicates

    task_space.checked_json_lines(output)
    pool = options.read_set(file, field, limit, quiet)
    texts = task_space.compared_texts(pool, instruction_only=instruction_only)
    with stoppable("Nothing was written."):
        found = find_duplicates(texts, threshold, show_progress=not quiet)
    dropped = set(found.dropped)
    typer.echo(
        f"{len(pool.rows):,} rows: {len(dropped):,} near-duplicates dropped, {len(pool.rows) - len(dropped):,} kept."
    )
    for group in found.groups()[:GROUPS_SHOWN]:
        first, second = (pool.rows[row] for row in group[:2])
        typer.echo(f"{len(group):7,} rows  row {first.row}: {one_line(first.text, 70)}")
        if texts[group[0]] != texts[group[1]]:
            typer.echo(f"              row {second.row}: {one_line(second.text, 70)}")
    task_space.write_rows([row for place, row in enumerate(pool.rows) if place not in dropped], output)
    typer.echo(f"Wrote {output}")
