"""answerspace cluster: a file and questions in, a report out."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

from answerspace.cli import options as shared
from answerspace.cli.terminal import print_result, say, stoppable
from answerspace.errors import InputError


def command(
    ctx: typer.Context,
    file: shared.FileOrReading,
    column: shared.Column = None,
    ask: shared.Ask = None,
    clusters: Annotated[str, typer.Option(metavar="K|auto", help="How many clusters per question.")] = "auto",
    method: Annotated[str, typer.Option(help="kmeans or hdbscan.")] = "kmeans",
    labels: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Gold labels: adds V-measure, Rand index, make-up, entropy.")
    ] = None,
    output: Annotated[str, typer.Option(help="The folder to write.")] = "answerspace-report",
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that holds other files.")] = False,
    centre: Annotated[bool, typer.Option(help="Take each question's mean vector out before clustering.")] = True,
    model: shared.Model = None,
    batch_size: shared.BatchSize = 32,
    cache: shared.Cache = None,
    seed: Annotated[int, typer.Option(help="Of the clustering and the maps.")] = 0,
    limit: shared.Limit = None,
    encoding: shared.Encoding = None,
    format: shared.Format = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON and nothing else.")] = False,
    quiet: shared.Quiet = False,
    open_report: Annotated[bool, typer.Option("--open", help="Show the report in a browser.")] = False,
) -> None:
    """Cluster a corpus under your own questions and explain every cluster in words.

    answerspace cluster reviews.csv --column text --ask "What is being reviewed?"

    answerspace cluster tickets.jsonl --ask "What does the customer need?" --ask "How do they feel?" --clusters 8

    cat lines.txt | answerspace cluster - --ask "What is the topic?" --json

    answerspace cluster news.parquet --column body --ask "Where did it happen?" --labels place --output places

    answerspace cluster reviews.reading --ask "How do they feel?"

    Writes report.html, clusters.csv, clusters.parquet and summary.json. An interrupted command goes on where it
    stopped when it is run again; a further --ask costs only itself.
    """
    from answerspace.analysis import analyse_file
    from answerspace.corpus_clustering import ClusterOptions
    from answerspace.source_texts import Source

    with stoppable(f"What was computed is kept in {output}/.work; run the same command again to go on."):
        analysis = analyse_file(
            Source(file, column, labels, format, encoding, limit),
            ask or [],
            load=shared.loader(ctx, model, cache),
            model=model,
            output=output,
            force=force,
            options=ClusterOptions(cluster_count(clusters), method, centre, seed, batch_size),
            tell=(lambda note: None) if quiet else say,
            show_progress=not quiet,
        )
    if as_json:
        typer.echo(json.dumps(analysis.summary, ensure_ascii=False, indent=2))
    else:
        print_result(analysis.result)
        typer.echo(f"The report is {analysis.folder / 'report.html'}; the tables lie beside it.")
    if open_report:
        typer.launch(str(analysis.folder / "report.html"))


def cluster_count(clusters: str) -> int | Literal["auto"]:
    """The value of --clusters: "auto" or a whole number."""
    if clusters == "auto":
        return "auto"
    try:
        return int(clusters)
    except ValueError:
        raise InputError(f"--clusters must be a whole number of at least 2, or auto. Got {clusters!r}.") from None
