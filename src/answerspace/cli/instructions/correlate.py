"""answerspace instructions correlate: how much of one set's tasks is found in another."""

from __future__ import annotations

from typing import Annotated

import typer

from answerspace.cli import options as shared
from answerspace.cli.instructions import options
from answerspace.cli.terminal import stoppable
from answerspace.errors import InputError


def command(
    ctx: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE FILE...", help="Two or more instruction sets.")],
    output: Annotated[str | None, typer.Option(help="A page with heat maps (.html) or the numbers (.json).")] = None,
    draws: Annotated[int, typer.Option(min=1, help="Samples of every set.")] = 5,
    by: options.By = "task",
    cache: shared.Cache = None,
    field: Annotated[
        list[str] | None, typer.Option(help="The field with the instruction, one for each file or one for all.")
    ] = None,
    limit: shared.Limit = None,
    language: options.Language = "en",
    seed: options.Seed = 0,
    quiet: shared.Quiet = False,
) -> None:
    """Compare instruction sets by task: how much of one is found in another, and what two have in common.

    answerspace instructions correlate alpaca.json dolly.jsonl lima.jsonl --output overlap.html
    """
    from answerspace.instructions import correlation, correlation_page, task_space

    path = None if output is None else correlation_page.checked_output(output)
    fields: list[str | None] = list(field) if field else [None]
    if len(fields) not in (1, len(files)):
        raise InputError(f"--field must be given once or once for each file. Got {len(fields)} for {len(files)} files.")
    fields = fields * len(files) if len(fields) == 1 else fields
    sets = [options.read_set(file, one, limit, quiet) for file, one in zip(files, fields, strict=True)]
    texts = [task_space.distinct_instructions(one).texts for one in sets]
    names = correlation_page.short_names(files)
    correlation.check_sets(dict(zip(names, map(len, texts), strict=True)))
    with stoppable(options.kept(cache)):
        encoder = options.encoder(ctx, by, cache, options.extractor(language, quiet))
        vectors = task_space.task_vectors(encoder, *texts, show_progress=not quiet)
        found = correlation.correlate(dict(zip(names, vectors, strict=True)), draws=draws, seed=seed)
    typer.echo(correlation_page.as_text(found), nl=False)
    if path is not None:
        correlation_page.write(found, path, by)
        typer.echo(f"Wrote {output}")
