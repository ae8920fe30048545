"""A run: every encoder on every task under one protocol, with progress, in a folder that lets it go on where it was."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from answerspace.errors import InputError
from answerspace.evaluation.clusterings import Clusterings
from answerspace.evaluation.differences import Values, compare
from answerspace.evaluation.encoders.contenders import REFERENCE, Contender
from answerspace.evaluation.judging import Bench, Judged, Progress, judge
from answerspace.evaluation.protocol import Protocol
from answerspace.evaluation.published import published_rows
from answerspace.evaluation.results import Evaluation, Summary, TaskResult
from answerspace.evaluation.scores import Numbers
from answerspace.evaluation.summaries import Drawn, summarise
from answerspace.evaluation.tasks.content import read_content
from answerspace.evaluation.tasks.rows import Data
from answerspace.evaluation.tasks.task import Task
from answerspace.evaluation.vectors import Vectors
from answerspace.progress import bar

WORK = ".work"


def evaluate(
    contenders: Sequence[Contender],
    tasks: Sequence[Task],
    data: Data,
    protocol: Protocol,
    *,
    output: Path | None = None,
    facts: Mapping[str, str] | None = None,
    threads: int | None = None,
    tell: Callable[[str], None] = lambda note: None,
    show_progress: bool = False,
) -> Evaluation:
    """Every contender on every task. All data is read and checked before the first model is loaded.

    With ``output``, vectors and k-means runs are kept in ``output/.work``: a run that was stopped, or is repeated with
    another encoder, task, seed number or protocol, does what is missing only. One encoder is in memory at a time.
    """
    names = [one.facts.name for one in contenders]
    if not names or len(set(names)) < len(names):
        raise InputError(f"There must be at least one encoder and each only once. Got {', '.join(names) or 'none'}.")
    contents = {task.name: read_content(task, data) for task in tasks}
    work = None if output is None else output / WORK
    clusterings = Clusterings(None if work is None else work / "clusterings", threads=threads)
    judged: dict[str, dict[str, Judged]] = {}
    results: list[TaskResult] = []
    with _watching(len(contenders) * len(tasks) if show_progress else 0) as (show, step):
        for contender in contenders:
            name, start = contender.facts.name, time.perf_counter()
            show(f"loading {name}", 0, 1)
            vectors = Vectors(contender.make(), name, None if work is None else work / "vectors")
            judged[name] = {}
            for task in tasks:
                began = time.perf_counter()
                told = _prefixed(show, f"{name}: {task.name}, ")
                found = judge(task.kind, contents[task.name], Bench(vectors, protocol, clusterings, told), _key(task))
                judged[name][task.name] = found
                results.append(_result(task, name, protocol, found, time.perf_counter() - began))
                step()
            tell(f"{name}: {len(tasks)} tasks in {time.perf_counter() - start:.0f} s")
    summaries = [one for name in names for one in summarise(name, tasks, judged[name], judged.get(REFERENCE))]
    return Evaluation(
        facts=_facts() | dict(facts or {}),
        protocol=protocol.facts(),
        tasks=[task.facts() for task in tasks],
        encoders=[one.facts for one in contenders],
        results=results,
        summaries=[one.summary for one in summaries],
        differences=compare([one.facts for one in contenders], _values(judged, summaries)),
        published=published_rows(tasks),
    )


def _result(task: Task, encoder: str, protocol: Protocol, found: Judged, seconds: float) -> TaskResult:
    return TaskResult(
        task.name,
        encoder,
        protocol.sentence,
        found.measures,
        found.seeds,
        found.instructions,
        found.texts,
        round(seconds, 3),
    )


def _values(judged: Mapping[str, Mapping[str, Judged]], summaries: Sequence[Drawn]) -> dict[str, Values]:
    """What two encoders are compared by: every measure of a task and every summary that has draws."""
    values: dict[str, dict[tuple[str, str], tuple[float, Numbers | None]]] = {name: {} for name in judged}
    for name, by_task in judged.items():
        for task, found in by_task.items():
            for measure, draws in found.draws.items():
                values[name][task, measure] = (found.measures[measure].value, draws)
    for one in summaries:
        summary: Summary = one.summary
        values[summary.encoder][summary.suite, summary.measure] = (summary.score.value, one.draws)
    return dict(values.items())


def _key(task: Task) -> str:
    """Tasks on the same file draw the same texts."""
    return task.questions[0].source.file


def _facts() -> dict[str, str]:
    from answerspace import __version__

    python = f"Python {sys.version.split()[0]}, {platform.machine()}"
    return {"answerspace": __version__, "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "machine": python}


# --- progress ----------------------------------------------------------------------------------------------------


def _prefixed(show: Progress, prefix: str) -> Progress:
    return lambda what, done, total: show(prefix + what, done, total)


@contextmanager
def _watching(total: int) -> Iterator[tuple[Progress, Callable[[], None]]]:
    """Two bars on standard error, tasks and the current step; nothing for a total of 0."""
    if not total:
        yield (lambda what, done, of: None), (lambda: None)
        return
    with bar() as progress:
        tasks, step = progress.add_task("tasks", total=total), progress.add_task("", total=1)
        yield (
            lambda what, done, of: progress.update(step, description=what, completed=done, total=of),
            lambda: progress.advance(tasks),
        )
