"""The suites by name: what ``--suite`` takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatch

from answerspace.errors import InputError
from answerspace.evaluation.tasks.inbedder import AWARENESS, GENERIC, INBEDDER_LOCAL, ROBUSTNESS
from answerspace.evaluation.tasks.local import corpora_suite, generic_suite, multicriteria_suite, written_suite
from answerspace.evaluation.tasks.rows import Data
from answerspace.evaluation.tasks.task import Question, Source, Suite, Task

MakeSuite = Callable[[Data], Suite]


TASK_QUESTION = "What task does this instruction ask for?"
IEB = ("no licence stated; for evaluation only", "PIE and IEB, arXiv 2409.19680")


def instructions_suite(data: Data) -> Suite:
    """PIE's tests under the protocols of this command; ``answerspace instructions evaluate`` has the published one."""
    clusters = Question("task", TASK_QUESTION, Source("eft_test.json", "ieb"), (("text", "label"),))
    pairs = Source("intention_similarity_test.json", "ieb")
    alike = Question("task", TASK_QUESTION, pairs, (("instruction1", "instruction2", "label"),))
    tasks = (
        Task("instructions.ict", "instructions", "clustering", (clusters,), "V-measure", *IEB),
        Task("instructions.iis", "instructions", "similarity", (alike,), "Spearman correlation", *IEB),
    )
    return Suite("instructions", "clustering and pairs of instructions by task (IEB)", tasks)


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
    """The tasks of the named suites in order, those that match a pattern of ``only`` where there are patterns.

    Tasks of a suite that is narrowed so know how many of their kind it has (``Task.alike``): a mean over them says it.
    """
    for name in names:
        if name not in suites:
            raise InputError(f"--suite must be one of {', '.join(suites)}. Got {name!r}.")
    whole = [suites[name](data).tasks for name in dict.fromkeys(names)]
    chosen = [task for tasks in whole for task in _narrowed(tasks, only)]
    if not chosen:
        tasks = [task for tasks in whole for task in tasks]
        raise InputError(
            f"--task must match one of {', '.join(task.name for task in tasks)}. Got {', '.join(only)}."
            if tasks
            else f"There must be at least one --suite. Got none; name one of {', '.join(suites)}."
        )
    return chosen


def _narrowed(tasks: Sequence[Task], only: Sequence[str]) -> list[Task]:
    chosen = [task for task in tasks if not only or any(fnmatch(task.name, pattern) for pattern in only)]
    if len(chosen) == len(tasks):
        return chosen
    kinds = Counter(task.kind for task in tasks)
    return [replace(task, alike=kinds[task.kind]) for task in chosen]
