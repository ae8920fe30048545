"""answerspace read: a file in, a reading on disk out, to be asked as often as you like."""

from __future__ import annotations

from typing import Annotated

import typer

from answerspace.cli import options as shared
from answerspace.cli.terminal import say, stoppable


def command(
    ctx: typer.Context,
    file: shared.File,
    output: Annotated[str, typer.Option("--output", "-o", help="The reading: a new folder, or a reading to add to.")],
    column: shared.Column = None,
    model: shared.Model = None,
    batch_size: shared.BatchSize = 32,
    limit: shared.Limit = None,
    encoding: shared.Encoding = None,
    format: shared.Format = None,
    quiet: shared.Quiet = False,
) -> None:
    """Read a file's texts once and keep what the model made of them, so that every question only costs itself.

    answerspace read reviews.csv --column text --output reviews.reading

    answerspace cluster reviews.reading --ask "What is being reviewed?"

    answerspace read more.csv --column text --output reviews.reading

    Takes about 5 kB of disk for a token with the bundled model. A file of any length is streamed. When the command is
    stopped, or killed, the same command goes on where it was; a file that is in the reading already is left alone.
    """
    from answerspace.corpus_reading import read_file
    from answerspace.source_texts import Source

    with stoppable(f"What was read is kept in {output}; run the same command again to go on."):
        done = read_file(
            Source(file, column, None, format, encoding, limit),
            output,
            load=lambda: ctx.obj(model),
            batch_size=batch_size,
            tell=(lambda note: None) if quiet else say,
            show_progress=not quiet,
        )
    size = f"{done.bytes / 1e6:,.1f} MB"
    if done.there:
        typer.echo(f"{done.path} holds this file already ({size}).")
    else:
        kept = f", {done.kept:,} of them before" if done.kept else ""
        typer.echo(f"{done.rows:,} rows were read into {done.path}{kept} ({size}).")
