"""Options that several commands about instruction sets share, and what they turn into."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from answerspace.cli import options as shared
from answerspace.cli.terminal import say

if TYPE_CHECKING:
    from answerspace.answer_store import AnswerStore
    from answerspace.embedder import Embedder
    from answerspace.instructions.instruction_files import InstructionSet
    from answerspace.instructions.task_space import RememberedLabels
    from answerspace.protocols import Encoder

File = Annotated[
    str, typer.Argument(metavar="FILE", help="Alpaca JSON, JSON Lines, Parquet, chat messages, CSV or plain lines.")
]
Field = Annotated[str | None, typer.Option(help="The field that holds the instruction; left out: it is looked for.")]
Language = Annotated[str, typer.Option(help="The language of the instructions: en.")]
By = Annotated[
    str,
    typer.Option(
        help="What tells tasks apart: task, bundled, all-MiniLM, parser-only, tfidf-words, tfidf-characters, "
        "tfidf-first-8-words, or a hub id or folder for PIE."
    ),
]
Seed = Annotated[int, typer.Option(help="The same seed gives the same result.")]


def read_set(file: str, field: str | None, limit: int | None, quiet: bool) -> InstructionSet:
    """The instructions of a file; what was odd in it is said on standard error."""
    from answerspace.instructions.instruction_files import read_instructions

    found = read_instructions(file, field=field, limit=limit)
    tell(found.notes(), quiet)
    return found


def tell(notes: list[str], quiet: bool) -> None:
    """Say the notes on standard error, unless --quiet was given."""
    if not quiet:
        for note in notes:
            say(note)


def extractor(language: str, quiet: bool) -> RememberedLabels:
    """The parser of a language, which labels a text once."""
    from answerspace.instructions.english import make_extractor
    from answerspace.instructions.task_space import RememberedLabels

    return RememberedLabels(partial(make_extractor, language), show_progress=not quiet)


def encoder(
    ctx: typer.Context, by: str, cache: str | None, extractor: RememberedLabels, store: AnswerStore | None = None
) -> Encoder:
    """What --by names, with the cache that --cache names or a folder's own."""
    from answerspace.instructions.task_space import make_encoder

    def load(model: str | None) -> Embedder:
        embedder = shared.loader(ctx, model, cache)()
        return embedder if store is None else store.cached(embedder)

    return make_encoder(by, load, extractor)


def kept(cache: str | None) -> str:
    """What is left of a command that was stopped."""
    return "Nothing was written." + (f" What was computed is kept in {cache}." if cache else "")
