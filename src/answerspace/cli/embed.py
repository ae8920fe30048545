"""answerspace embed: a file and questions in, vectors out."""

from __future__ import annotations

from typing import Annotated

import typer

from answerspace.cli import options as shared
from answerspace.cli.terminal import say, stoppable


def command(
    ctx: typer.Context,
    file: shared.FileOrReading,
    output: Annotated[str, typer.Option(help="Vectors as .npy, .parquet or .safetensors.")],
    column: shared.Column = None,
    ask: shared.Ask = None,
    normalize: Annotated[bool, typer.Option(help="Unit vectors, so that a dot product is a cosine.")] = True,
    model: shared.Model = None,
    batch_size: shared.BatchSize = 32,
    cache: shared.Cache = None,
    limit: shared.Limit = None,
    encoding: shared.Encoding = None,
    format: shared.Format = None,
    quiet: shared.Quiet = False,
) -> None:
    """Write the vectors of a file's texts under one question or several.

    answerspace embed reviews.csv --column text --ask "What is being reviewed?" --output vectors.npy

    answerspace embed tickets.jsonl --ask "What is broken?" --ask "Who is affected?" --output tickets.parquet

    .npy holds (n, d) for one question and (q, n, d) for several; .safetensors a tensor per question; .parquet the
    input columns and one more per question. Row i is row i of the file; a row without text is zero (in Parquet null).
    """
    from answerspace.source_texts import Source
    from answerspace.vector_file import embed_file

    with stoppable(f"What was computed is kept in {output}.work; run the same command again to go on."):
        vectors = embed_file(
            Source(file, column, None, format, encoding, limit),
            ask or [],
            output,
            load=shared.loader(ctx, model, cache),
            normalize=normalize,
            batch_size=batch_size,
            tell=(lambda note: None) if quiet else say,
            show_progress=not quiet,
        )
    for question, array in vectors.items():
        typer.echo(f"{array.shape[0]:,} vectors of {array.shape[1]} numbers in {output}: {question}")
