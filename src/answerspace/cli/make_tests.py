"""answerspace make-tests: tests of instruction following from your own texts, made by a chat model and checked."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from answerspace.cli import options as shared
from answerspace.cli.terminal import say, stoppable


def command(
    recipe: Annotated[str, typer.Argument(help="triplets, pairs or wordings.")],
    source: Annotated[str, typer.Argument(help="A table; for wordings a folder with criteria.json.")],
    model: Annotated[str, typer.Option(help="The name of the chat model at the endpoint.")],
    output: Annotated[str, typer.Option(help="The folder for the tests; a stopped run goes on there.")],
    endpoint: Annotated[
        str, typer.Option(help="An OpenAI-compatible address that ends before /chat/completions.")
    ] = "https://api.openai.com/v1",
    first: Annotated[str | None, typer.Option(help="Column of the text (text) or first sentence (sentence1).")] = None,
    second: Annotated[
        str | None, typer.Option(help="Column of the intent (intent) or second sentence (sentence2).")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="How many to make; left out: as many as there are.")] = None,
    number: Annotated[int, typer.Option(min=2, help="Wordings of each kind.")] = 10,
    seed: Annotated[int, typer.Option(help="For what is drawn.")] = 0,
    tries: Annotated[int, typer.Option(min=1, help="Answers asked for before a row is given up.")] = 3,
    verify: Annotated[
        bool, typer.Option(help="Let the model read each row again without a hint; about twice the requests.")
    ] = True,
    parallel: Annotated[int, typer.Option(min=1, help="Requests at once.")] = 4,
    quiet: shared.Quiet = False,
) -> None:
    """Make tests by the recipes of the InBedder paper; evaluate --suite written reads them.

    answerspace make-tests triplets intents.csv --first text --second intent --model gpt-4.1 --output made

    answerspace make-tests pairs sts.jsonl --model qwen3 --endpoint http://localhost:8000/v1 --output made

    answerspace make-tests wordings folder-with-criteria --model gpt-4.1 --output made

    triplets: from texts with an intent each, the four texts of intent x feeling. pairs: for two sentences a question
    that tells them apart and one that does not. wordings: correct, implicit and incorrect instructions for every
    criterion. The key is read from OPENAI_API_KEY. Needs the make-tests extra.
    """
    from answerspace.evaluation.making.chat import EndpointChat
    from answerspace.evaluation.making.recipes import Source, make_tests
    from answerspace.evaluation.making.workshop import Options

    chat = EndpointChat(endpoint, model, key=os.environ.get("OPENAI_API_KEY", ""))
    with stoppable(f"Finished rows are kept in {output}/.work; the same command goes on."):
        made = make_tests(
            recipe,
            Source(source, (first, second), count, number, seed),
            chat,
            output,
            model=model,
            options=Options(parallel, tries, verify),
            show_progress=not quiet,
        )
    typer.echo(f"Wrote {made.path}: {made.rows:,} made, {made.new:,} of them now, {len(made.rejected):,} given up.")
    if made.rejected and not quiet:
        id, faults = next(iter(made.rejected.items()))
        say(f"Given up and listed in {output}/rejected.jsonl, the first {id}: {faults[0] if faults else 'no answer'}.")
