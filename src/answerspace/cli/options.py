"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from answerspace.embedder import Embedder

File = Annotated[
    str, typer.Argument(metavar="FILE", help="CSV, TSV, JSON Lines, Parquet or plain lines; - is standard input.")
]
Column = Annotated[
    str | None, typer.Option(help="The column with the texts; may be left out when only one holds text.")
]
Ask = Annotated[list[str] | None, typer.Option("--ask", help="A question put to every text. Repeat for more.")]
Model = Annotated[str | None, typer.Option(help="A hub id or model folder. Left out: the bundled model.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Texts that go through the model at once.")]
Limit = Annotated[int | None, typer.Option(help="Use the first rows only.")]
Encoding = Annotated[str | None, typer.Option(help="Such as cp1252; left out: UTF-8, or what a byte-order mark says.")]
Format = Annotated[str | None, typer.Option(help="csv, tsv, jsonl, parquet or lines; left out: told from the file.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes.")]
Cache = Annotated[
    str | None,
    typer.Option(
        envvar="ANSWERSPACE_CACHE", help="A file that keeps vectors and answers for other runs and outputs too."
    ),
]
FileOrReading = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="CSV, TSV, JSON Lines, Parquet, plain lines, or a reading; - is standard input."
    ),
]


def loader(ctx: typer.Context, model: str | None, cache: str | None) -> Callable[[], Embedder]:
    """What loads the embedder that --model names, with the cache that --cache names."""

    def load() -> Embedder:
        from answerspace.vector_cache import VectorCache

        kept = None if cache is None else VectorCache(cache)  # a place that cannot be written shows before the model
        embedder: Embedder = ctx.obj(model)
        embedder.cache = kept or embedder.cache
        return embedder

    return load
