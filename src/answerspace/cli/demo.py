"""answerspace demo: three questions put to the reviews that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from answerspace.cli import options as shared
from answerspace.cli.terminal import print_result, say, stoppable

QUESTIONS = ("What is being reviewed?", "What did they like or dislike?", "How does the writer feel?")


def command(
    ctx: typer.Context,
    output: Annotated[str, typer.Option(help="The folder to write.")] = "answerspace-demo",
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that holds other files.")] = False,
    model: shared.Model = None,
    batch_size: shared.BatchSize = 32,
    quiet: shared.Quiet = False,
    open_report: Annotated[bool, typer.Option("--open", help="Show the report in a browser.")] = False,
) -> None:
    """Cluster the reviews that come with the package under three questions, and write the report.

    answerspace demo

    answerspace demo --output somewhere --open
    """
    from answerspace.analysis import analyse_file
    from answerspace.corpus_clustering import ClusterOptions
    from answerspace.source_texts import Source

    reviews = Path(__file__).parent.parent / "demo" / "reviews.csv"
    with stoppable(f"What was computed is kept in {output}/.work; run the same command again to go on."):
        analysis = analyse_file(
            Source(str(reviews), "text"),
            QUESTIONS,
            load=lambda: ctx.obj(model),
            model=model,
            output=output,
            force=force,
            options=ClusterOptions(batch_size=batch_size),
            title="Demo reviews",
            tell=(lambda note: None) if quiet else say,
            show_progress=not quiet,
        )
    print_result(analysis.result)
    typer.echo(f"The report is {analysis.folder / 'report.html'}; the tables lie beside it.")
    if open_report:
        typer.launch(str(analysis.folder / "report.html"))
