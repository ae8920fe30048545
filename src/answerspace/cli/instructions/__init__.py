"""answerspace instructions: task labels, their evaluation, PIE, and what a labelled set is good for."""

from __future__ import annotations

import importlib

import typer

# modules of this room with a function ``command``, in the order of --help; a new command is one file and one word here
COMMANDS = (
    "label",
    "evaluate",
    "train",
    "select",
    "retrieve",
    "compress",
    "estimate",
    "correlate",
    "deduplicate",
    "audit",
)
HELP = "Instruction sets: label, embed, evaluate and use them by task."


def make_app() -> typer.Typer:
    """The typer application with every command of COMMANDS."""
    made = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=HELP)
    for name in COMMANDS:
        made.command(name)(importlib.import_module(f"{__name__}.{name}").command)
    return made


app = make_app()
