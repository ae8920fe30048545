"""Progress on standard error: how many, how fast, how long still."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

T = TypeVar("T")


class RateColumn(ProgressColumn):
    """Items per second."""

    def render(self, task: Task) -> Text:
        """The rate, or nothing before it is known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f}/s")


def bar() -> Progress:
    """A progress display on standard error with count, rate and time left."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), RateColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(file=sys.stderr))


def track(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield the items while a bar shows the count, the rate and the time left; ``total`` where they have no length."""
    with bar() as progress:
        task = progress.add_task(what, total=len(items) if total is None and isinstance(items, Sized) else total)
        for item in items:
            yield item
            progress.advance(task)


@contextmanager
def advancing(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar that is moved by hand: call with how many more are done. ``total`` None where nobody knows it."""
    with bar() as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)
