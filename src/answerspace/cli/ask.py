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
    model: shared.Model = None,
    batch_size: shared.BatchSize = 32,
    encoding: shared.Encoding = None,
) -> None:
    """Answer a question about the text on standard input: the few words whose states make its vector.

    echo "The soup was cold." | answerspace ask "What is being reviewed?"

    answerspace ask "How does the writer feel?" --words < letter.txt

    answerspace ask "What is broken?" --lines < tickets.txt

    The whole input is one text, however many lines it has; with --lines every line is one, and blank lines stay blank.
    """
    from answerspace.spoken_answers import spoken_answers
    from answerspace.tables import decoded

    if sys.stdin.isatty():
        say("Type or paste the text, then press Ctrl-D.")
    with stoppable("Nothing was written."):
        text = decoded(sys.stdin.buffer.read(), "Standard input", encoding)
        for answer in spoken_answers(
            lambda: ctx.obj(model), text, question, lines=lines, words=words, batch_size=batch_size
        ):
            typer.echo(answer)
