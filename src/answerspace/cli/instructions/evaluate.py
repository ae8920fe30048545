"""answerspace instructions evaluate: the instruction embedding benchmark, with the lexical baselines."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from answerspace.cli import options as shared
from answerspace.cli.terminal import say, stoppable


def command(
    ctx: typer.Context,
    data: Annotated[
        str, typer.Option(help="The folder with eft_test.json, ift_test.json, intention_similarity_test.json.")
    ],
    row: Annotated[
        list[str] | None, typer.Option(help="A row of the table, see the docs. Repeat for more; left out: all but PIE.")
    ] = None,
    pie: Annotated[list[str] | None, typer.Option(help="A hub id or folder, embedded by PIE's prompt.")] = None,
    test: Annotated[
        list[str] | None, typer.Option(help="ict, ict de-duplicated, iis or iis-hard. Repeat for more.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="K-means runs.")] = 10,
    output: Annotated[
        str | None, typer.Option(help="A .json file that results are kept in; the same command goes on from it.")
    ] = None,
    quiet: shared.Quiet = False,
) -> None:
    """Score encoders on the instruction embedding benchmark, with the lexical baselines in every table.

    answerspace instructions evaluate --data DIR

    answerspace instructions evaluate --data DIR --row task --pie facebook/opt-350m --output scores.json
    """
    from answerspace.instructions.benchmark import read_benchmark
    from answerspace.instructions.benchmark_rows import ROWS, make_row
    from answerspace.instructions.benchmark_run import TESTS, evaluate_instructions, read_run, score_tables, write_run
    from answerspace.instructions.pie import load_pie

    benchmark = read_benchmark(data)
    encoders = {name: make_row(name, ctx.obj) for name in (row or ([] if pie else list(ROWS)))}
    encoders |= {f"PIE {model}": partial(load_pie, model) for model in pie or []}
    tell = (lambda note: None) if quiet else say
    facts = {"data": data, "seeds": str(seeds)}
    path = None if output is None else Path(output)
    with stoppable(
        "Finished scores are kept; run the same command again to go on." if path else "Nothing was written."
    ):
        run = evaluate_instructions(
            encoders,
            benchmark,
            tests=test or TESTS,
            seeds=seeds,
            done=read_run(path) if path else None,
            keep=(lambda found: write_run(found, path, facts)) if path else (lambda found: None),
            tell=tell,
        )
    typer.echo(score_tables(run), nl=False)
