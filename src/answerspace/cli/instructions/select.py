"""answerspace instructions select: instructions that differ from each other and speak for the pool."""

from __future__ import annotations

from typing import Annotated

import typer

from answerspace.cli import options as shared
from answerspace.cli.instructions import options
from answerspace.cli.terminal import stoppable


def command(
    ctx: typer.Context,
    file: options.File,
    output: Annotated[str, typer.Option(help="The chosen rows as they were read, as .jsonl.")],
    count: Annotated[int, typer.Option(min=1, help="How many instructions to choose.")],
    method: Annotated[
        str, typer.Option(help="tasks, facility-location, clusters (published), k-center or random.")
    ] = "tasks",
    compare: Annotated[
        int, typer.Option(min=0, help="Also draw with every method, this many times each, and print a table.")
    ] = 0,
    labels: Annotated[
        str | None, typer.Option(help="A field with task labels to judge the choice by; left out: the parser's.")
    ] = None,
    by: options.By = "task",
    cache: shared.Cache = None,
    field: options.Field = None,
    limit: shared.Limit = None,
    language: options.Language = "en",
    seed: options.Seed = 0,
    quiet: shared.Quiet = False,
) -> None:
    """Choose instructions that differ from each other and speak for the whole pool.

    answerspace instructions select pool.jsonl --count 600 --output chosen.jsonl

    answerspace instructions select pool.jsonl --count 600 --output chosen.jsonl --method facility-location --compare 10
    """
    from answerspace.instructions import selection, task_space

    task_space.checked_json_lines(output)
    pool = task_space.distinct_instructions(options.read_set(file, field, limit, quiet))
    selection.check_selection(len(pool.rows), count, method)
    gold = None if labels is None else task_space.field_labels(pool.rows, labels)
    with stoppable(options.kept(cache)):
        extractor = options.extractor(language, quiet)
        encoder = options.encoder(ctx, by, cache, extractor)
        # --labels judge the choice; the method "tasks" goes by the parser's.
        guide = task_space.find_tasks(pool, extractor).labels if compare or method == "tasks" else None
        [vectors] = task_space.task_vectors(encoder, pool.texts, show_progress=not quiet)
        chosen = selection.select(vectors, count, method=method, labels=guide, seed=seed, show_progress=not quiet)
        typer.echo(f"{count:,} of {len(pool.rows):,} distinct instructions by {method}.")
        judges = gold or guide
        if judges is not None:
            typer.echo(selection.coverage_sentence(selection.coverage(vectors, judges, chosen)))
        if compare and judges is not None:
            found = selection.compare_methods(
                vectors, judges, [count], guide=guide, seeds=compare, show_progress=not quiet
            )
            typer.echo(selection.comparison_table(found), nl=False)
    task_space.write_rows([pool.rows[row] for row in chosen], output)
    typer.echo(f"Wrote {output}")
