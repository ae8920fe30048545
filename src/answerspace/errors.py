"""Every error a user can cause or meet.

    AnswerspaceError
    ├── InputError          the caller's data or arguments; the command line exits with 2
    │   ├── ModelError      a model name or folder that cannot be used
    │   └── MissingExtra    an optional package is not installed
    └── InternalError       our fault; the command line exits with 1

A message is one sentence pattern: what must hold, what came instead, what to type next.
"""

from __future__ import annotations


class AnswerspaceError(Exception):
    """Base of all errors raised on purpose."""


class InputError(AnswerspaceError, ValueError):
    """The texts, the question, a file or an option is not usable as given."""


class ModelError(InputError):
    """A model name or folder that cannot be loaded or is of an unsupported kind."""


class MissingExtra(InputError, ImportError):
    """A part of the package whose optional dependencies are not installed.

    >>> raise MissingExtra("The torch engine", "torch")
    Traceback (most recent call last):
    answerspace.errors.MissingExtra: The torch engine needs extra packages: pip install 'answerspace[torch]'.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs extra packages: pip install 'answerspace[{extra}]'.")


class InternalError(AnswerspaceError, RuntimeError):
    """Something that should not happen whatever the input; please report it."""
