"""answerspace cache: what is in a cache, and how to empty it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from answerspace.errors import InputError


class Action(StrEnum):
    """What is done with the cache."""

    show = "show"
    clear = "clear"


def command(
    action: Annotated[Action, typer.Argument(help="show: how much is in it. clear: remove every entry.")],
    cache: Annotated[str | None, typer.Option(envvar="ANSWERSPACE_CACHE", help="The cache file.")] = None,
) -> None:
    """Look at or empty the file that --cache (or ANSWERSPACE_CACHE) keeps vectors and answers in.

    answerspace cache show --cache answers.sqlite

    answerspace cache clear --cache answers.sqlite
    """
    from answerspace.vector_cache import VectorCache

    if cache is None or not Path(cache).is_file():
        raise InputError(f"--cache must be the file of a cache. Got {cache!r}; one is made by embed, cluster or ask.")
    kept = VectorCache(cache)
    if action is Action.clear:
        kept.clear()
    facts = kept.facts()
    limit = "no limit" if facts.limit is None else f"limit {facts.limit / 1e6:,.0f} MB"
    typer.echo(f"{facts.entries:,} vectors with their answers in {cache}, {facts.bytes / 1e6:,.1f} MB ({limit}).")
