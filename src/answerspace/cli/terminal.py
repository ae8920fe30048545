"""The terminal: sentences on standard error, tables on standard output, and what Ctrl-C says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from answerspace.results import CorpusResult, QuestionResult

WORDS_SHOWN = 5


def say(sentence: str) -> None:
    """Print a sentence on standard error, as it is."""
    print(sentence, file=sys.stderr, flush=True)


@contextmanager
def stoppable(kept: str) -> Iterator[None]:
    """Ctrl-C inside the block says what is kept and leaves with code 130."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"\nStopped. {kept}")
        raise typer.Exit(130) from None


def print_result(result: CorpusResult) -> None:
    """One short table per question on standard output: cluster, size, words, a typical text."""
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    for question in result.questions:
        console.print(_table(question, result.texts))
        scores = ", ".join(f"{_SCORES.get(name, name)} {value:.3f}" for name, value in question.scores.items())
        console.print(question.method + (f" {scores}." if scores else ""), style="dim")
        console.print()


_SCORES = {"v_measure": "V-measure", "ari": "adjusted Rand index"}


def _table(question: QuestionResult, texts: list[str]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    with_entropy = any(cluster.entropy is not None for cluster in question.clusters)
    table = Table(title=Text(question.question, style="bold"), title_justify="left", box=SIMPLE_HEAD, expand=True)
    table.add_column("cluster", justify="right", no_wrap=True)
    table.add_column("texts", justify="right", no_wrap=True)
    if with_entropy:
        table.add_column("entropy", justify="right", no_wrap=True)
    table.add_column("words", ratio=2)
    table.add_column("a typical text", ratio=3, no_wrap=True, overflow="ellipsis")
    for cluster in question.clusters:
        words = ", ".join((cluster.words or cluster.head_words)[:WORDS_SHOWN])
        typical = one_line(texts[cluster.typical[0]]) if cluster.typical else ""
        cells = ["noise" if cluster.label < 0 else str(cluster.label), f"{cluster.size:,}"]
        cells += [f"{cluster.entropy:.2f}"] if with_entropy and cluster.entropy is not None else []
        table.add_row(*(Text(cell) for cell in (*cells, one_line(words), typical)))
    return table


def one_line(text: str, longest: int = 200) -> str:
    """The text on one line, cut, without characters that a terminal would act on."""
    line = " ".join(text[: 2 * longest].split())
    return "".join(c for c in line if c.isprintable())[:longest]
