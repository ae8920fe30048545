"""The command line: the list of commands, and what the shell sees when one fails.

Exit codes: 0 done, 1 our fault, 2 the input or an option, 130 interrupted. A traceback only with --debug or
ANSWERSPACE_DEBUG=1. Importing this needs no extra and none of the heavy packages: a command imports what it uses
when it runs.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from answerspace.cli.terminal import say
from answerspace.errors import AnswerspaceError, InputError

if TYPE_CHECKING:
    from answerspace.embedder import Embedder

# name -> module with a function ``command``; a new command is one file and one line here
COMMANDS = {
    "cluster": "answerspace.cli.cluster",
    "demo": "answerspace.cli.demo",
    "ask": "answerspace.cli.ask",
    "embed": "answerspace.cli.embed",
    "read": "answerspace.cli.read",
    "cache": "answerspace.cli.cache",
    "evaluate": "answerspace.cli.evaluate",
    "make-tests": "answerspace.cli.make_tests",
    "train": "answerspace.cli.train",
}
# name -> module with a typer application ``app`` of several commands
GROUPS = {"instructions": "answerspace.cli.instructions", "select-tasks": "answerspace.cli.select_tasks"}
HELP = """Read a corpus once, ask it many questions.

answerspace demo

answerspace cluster reviews.csv --column text --ask "What is being reviewed?" --ask "How does the writer feel?"

echo "The soup was cold." | answerspace ask "What is being reviewed?"

Add --debug to any command to see where an error comes from.
"""


def load_embedder(name_or_path: str | None, **options: Any) -> Embedder:
    """The model that a command names; None is the bundled one. ``options`` are those of ``Embedder.load``."""
    from answerspace.embedder import Embedder

    return Embedder.load(name_or_path, **options)


def make_app() -> typer.Typer:
    """The typer application with every command of COMMANDS."""
    made = typer.Typer(name="answerspace", add_completion=False, no_args_is_help=True, rich_markup_mode=None)
    made.callback(help=HELP)(_version)
    for name, module in COMMANDS.items():
        made.command(name)(importlib.import_module(module).command)
    for name, module in GROUPS.items():
        made.add_typer(importlib.import_module(module).app, name=name)
    return made


def run(arguments: Sequence[str] | None = None, *, load: Callable[..., Embedder] = load_embedder) -> int:
    """Run one command line and return its exit code. ``load`` makes the embedder that ``--model`` names."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words or os.environ.get("ANSWERSPACE_DEBUG", "") not in ("", "0")
    words = [word for word in words if word != "--debug"]
    try:
        code = typer.main.get_command(make_app())(args=words, prog_name="answerspace", standalone_mode=False, obj=load)
        return int(code or 0)
    except AnswerspaceError as error:
        if debug:
            raise
        say(str(error))
        return 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if debug:
            raise
        usage = getattr(error, "format_message", None)  # typer's own: an option that is missing or unknown
        if usage is not None:
            say(f"{usage()} See: answerspace {_command(words)}--help")
            return 2
        said = str(error).strip().splitlines() or ["no message"]
        say(f"Something went wrong inside answerspace ({type(error).__name__}: {said[0]}); add --debug to see where.")
        return 1


def _command(words: Sequence[str]) -> str:
    return next((f"{word} " for word in words if word in COMMANDS or word in GROUPS), "")


def _print_version(wanted: bool) -> None:
    if wanted:
        from answerspace import __version__

        typer.echo(f"answerspace {__version__}")
        raise typer.Exit


def _version(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass


if __name__ == "__main__":
    sys.exit(run())
