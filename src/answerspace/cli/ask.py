"""answerspace ask: one question put to the text on standard input."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from answerspace.cli import options as shared
from answerspace.cli.terminal import say, stoppable


def command(
    ctx: typer.Context,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What is asked of the text.")],
    lines: Annotated[
        bool, typer.Option("--lines", help="Every line is a text of its own; one answer per line.")
    ] = False,
    words: Annotated[bool, typer.Option("--words", help="Also the words the model's head leans to.")] = False,
    reading: Annotated[
        str | None, typer.Option(help="Ask the texts of a reading instead of standard input; one answer per row.")
    ] = None,
    model: shared.Model = None,
    cache: shared.Cache = None,
    batch_size: shared.BatchSize = 32,
    encoding: shared.Encoding = None,
) -> None:
    """Answer a question about the text on standard input: the few words whose states make its vector.

    echo "The soup was cold." | answerspace ask "What is being reviewed?"

    answerspace ask "How does the writer feel?" --words < letter.txt

    answerspace ask "What is broken?" --lines < tickets.txt

    answerspace ask "What is broken?" --reading tickets.reading

    The whole input is one text, however many lines it has; with --lines every line is one, and blank lines stay blank.
    """
    from answerspace.spoken_answers import answers_of_reading, spoken_answers
    from answerspace.tables import decoded

    load = shared.loader(ctx, model, cache)
    if reading is not None:
        with stoppable("Nothing was written."):
            for answer in answers_of_reading(load, reading, question, words=words):
                typer.echo(answer)
        return
    if sys.stdin.isatty():
        say("Type or paste the text, then press Ctrl-D.")
    with stoppable("Nothing was written."):
        text = decoded(sys.stdin.buffer.read(), "Standard input", encoding)
        for answer in spoken_answers(load, text, question, lines=lines, words=words, batch_size=batch_size):
            typer.echo(answer)
