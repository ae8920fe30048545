"""The suites by name: what ``--suite`` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatch

from answerspace.errors import InputError
from answerspace.evaluation.tasks.inbedder import AWARENESS, GENERIC, INBEDDER_LOCAL, ROBUSTNESS
from answerspace.evaluation.tasks.local import corpora_suite, generic_suite, multicriteria_suite, written_suite
from answerspace.evaluation.tasks.rows import Data
from answerspace.evaluation.tasks.task import Suite, Task

MakeSuite = Callable[[Data], Suite]


def instructions_suite(data: Data) -> Suite:
    """The place of PIE's tests (ICT, IIS); their tasks are of the kinds clustering and similarity."""
    raise InputError("The instructions suite has no tasks in this version. Name another --suite.")


SUITES: dict[str, MakeSuite] = {
    "awareness": lambda data: AWARENESS,
    "robustness": lambda data: ROBUSTNESS,
    "generic": lambda data: GENERIC,
    "multicriteria": multicriteria_suite,
    "instructions": instructions_suite,
    "written": written_suite,
    "inbedder-local": lambda data: INBEDDER_LOCAL,
    "generic-local": generic_suite,
    "corpora": corpora_suite,
}


def select_tasks(
    names: Sequence[str], data: Data, *, only: Sequence[str] = (), suites: Mapping[str, MakeSuite] = SUITES
) -> list[Task]:
    """The tasks of the named suites in order, those that match a pattern of ``only`` where there are patterns."""
    for name in names:
        if name not in suites:
            raise InputError(f"--suite must be one of {', '.join(suites)}. Got {name!r}.")
    tasks = [task for name in dict.fromkeys(names) for task in suites[name](data).tasks]
    chosen = [task for task in tasks if not only or any(fnmatch(task.name, pattern) for pattern in only)]
    if not chosen:
        raise InputError(
            f"--task must match one of {', '.join(task.name for task in tasks)}. Got {', '.join(only)}."
            if tasks
            else f"There must be at least one --suite. Got none; name one of {', '.join(suites)}."
        )
    return chosen
