"""A training mixture from chosen tasks: caps per task, balance, one instruction per example, a token budget.

Written as JSON Lines with ``input``, ``instruction`` and ``output``, it is what ``answerspace train`` reads, so any
masked, causal or encoder-decoder model can be trained on it.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from answerspace.errors import InputError
from answerspace.task_selection.task_pool import PoolTask

BALANCES = ("equal", "proportional")
Examples = Mapping[str, Sequence[tuple[str, str]]]  # task -> (input, output)


@dataclass(frozen=True)
class MixedExample:
    """An example of a task under one of its instructions."""

    input: str
    instruction: str
    output: str
    task: str


def read_examples(path: str | Path) -> dict[str, list[tuple[str, str]]]:
    """Rows ``task``, ``input``, ``output`` of a JSON Lines file, gzipped or not, by task. InputError names the row."""
    found: dict[str, list[tuple[str, str]]] = {}
    try:
        content = Path(path).read_bytes()
        text = (gzip.decompress(content) if str(path).endswith(".gz") else content).decode("utf-8")
    except OSError as error:
        raise InputError(f"The examples {path} must be a readable file. Got: {error.strerror or error}.") from None
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            found.setdefault(str(row["task"]), []).append((str(row["input"]), str(row["output"])))
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{path}, row {number}: must hold task, input and output as JSON.") from None
    if not found:
        raise InputError(f"The examples {path} must have at least one row. Got none.")
    return found


def build_mixture(
    tasks: Sequence[PoolTask],
    examples: Examples,
    *,
    per_task: int | None = None,
    balance: str = "equal",
    tokens: int | None = None,
    count: Callable[[str], int] = lambda text: len(text.split()),
    seed: int = 0,
) -> list[MixedExample]:
    """Examples of the tasks in random order, each with one of its task's instructions drawn at random.

    ``per_task`` caps the distinct examples of a task. ``balance`` "equal" lets every task speak in turn,
    "proportional" keeps their sizes. ``tokens`` is a budget by ``count`` over input, instruction and output:
    the mixture ends with the example that reaches it, and starts over when it is larger than the data, so mixtures
    of few and of many tasks can be compared at equal cost. Without it each example is used once.
    """
    if balance not in BALANCES:
        raise InputError(f"--balance must be one of {', '.join(BALANCES)}. Got {balance!r}.")
    if per_task is not None and per_task < 1:
        raise InputError(f"--per-task must be at least 1. Got {per_task}.")
    missing = [task.name for task in tasks if not examples.get(task.name)]
    if missing:
        raise InputError(f"Every chosen task must have examples. Got none for {', '.join(missing[:5])}.")
    rng = np.random.default_rng(seed)
    kept = {}
    for task in tasks:
        rows = examples[task.name]
        kept[task.name] = [rows[i] for i in rng.permutation(len(rows))[:per_task]]
    order = _turns(kept, rng) if balance == "equal" else _shuffled(kept, rng)
    by_name = {task.name: task for task in tasks}
    made: list[MixedExample] = []
    spent = 0
    while True:
        for name, place in order:
            said = by_name[name].instructions
            text, answer = kept[name][place]
            one = MixedExample(text, said[int(rng.integers(len(said)))], answer, name)
            made.append(one)
            spent += count(one.input) + count(one.instruction) + count(one.output)
            if tokens is not None and spent >= tokens:
                return made
        if tokens is None:
            return made


def write_mixture(mixture: Sequence[MixedExample], path: Path) -> Path:
    """Write the mixture as JSON Lines with input, instruction, output and task."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in mixture), encoding="utf-8")
    return path


def _turns(kept: Examples, rng: np.random.Generator) -> list[tuple[str, int]]:
    """One example of every task, then the next; a task that has run out starts over until the largest is through."""
    most = max(len(rows) for rows in kept.values())
    names = list(kept)
    return [(names[i], turn % len(kept[names[i]])) for turn in range(most) for i in rng.permutation(len(names))]


def _shuffled(kept: Examples, rng: np.random.Generator) -> list[tuple[str, int]]:
    everything = [(name, place) for name, rows in kept.items() for place in range(len(rows))]
    return [everything[i] for i in rng.permutation(len(everything))]
