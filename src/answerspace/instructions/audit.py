"""The audit of an instruction set: which tasks it asks for and how often, which are over-represented, what is there
twice; and a map of it, coloured by task. Knows no models: labels and vectors are passed in.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.special import xlogy

from answerspace.answer_store import put_in_place
from answerspace.answers import Array
from answerspace.clustering import NOISE, clustering_space
from answerspace.explanation import typical_rows
from answerspace.instructions.duplicates import Duplicates
from answerspace.instructions.instruction_files import InstructionSet
from answerspace.instructions.synonyms import JOIN
from answerspace.projection import project
from answerspace.report import write_report
from answerspace.results import Cluster, CorpusResult, QuestionResult
from answerspace.tables import write_csv

TIMES_EVEN = 5.0  # a task is over-represented at so many times the share that equally frequent tasks would have
TIMES_REFERENCE = 2.0  # or at so many times its share in a reference set, if that is no accident:
DEVIATIONS = 3.0
MAP_ROWS = 10_000  # more are drawn as a sample
MAP_TASKS = 30


@dataclass(frozen=True)
class TaskShare:
    """A task, how many instructions ask for it, and its share beside the one expected."""

    task: str
    count: int
    share: float
    expected: float
    over: bool

    @property
    def times(self) -> float:
        """Share over expected share."""
        return self.share / self.expected


@dataclass(frozen=True)
class Audit:
    """What the audit found. ``tasks`` are the most frequent first; ``effective`` is the exponential of the entropy of
    their shares: so many equally frequent tasks would be as diverse."""

    instructions: InstructionSet
    labels: list[str]
    steps: list[list[str]]
    tasks: list[TaskShare]
    effective: float
    duplicates: Duplicates
    reference: str | None
    result: CorpusResult

    @property
    def over(self) -> list[TaskShare]:
        """The over-represented tasks."""
        return [task for task in self.tasks if task.over]

    def summary(self) -> dict[str, Any]:
        """The counts, ready for JSON."""
        from answerspace import __version__

        return {
            "answerspace": __version__,
            "file": self.instructions.name,
            "facts": self.result.facts,
            "notes": self.instructions.notes(),
            "effective_tasks": round(self.effective, 2),
            "reference": self.reference,
            "over_represented": [asdict(task) | {"times": round(task.times, 2)} for task in self.over],
            "near_duplicate_groups": [
                [self.instructions.rows[row].row for row in group] for group in self.duplicates.groups()
            ],
        }


def audit(
    instructions: InstructionSet,
    labels: Sequence[str],
    vectors: Array,
    duplicates: Duplicates,
    *,
    steps: Sequence[Sequence[str]] | None = None,
    reference: tuple[str, Sequence[str]] | None = None,
    facts: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Audit:
    """Audit n instructions by their n task labels and (n, d) vectors.

    ``steps`` are all labels of each instruction; ``reference`` a name and the labels of a set to compare with;
    ``facts`` are shown on the map. Labels are counted as given: merge synonyms first.
    """
    counts = Counter(labels)
    effective = effective_number(list(counts.values()))
    tasks = task_shares(counts, None if reference is None else Counter(reference[1]))
    over = [task for task in tasks if task.over]
    rows = len(labels)
    shown = {
        "Instructions": f"{rows:,}" + (f" ({len(instructions.bad):,} rows left out)" if instructions.bad else ""),
        "Tasks": f"{len(tasks):,}, as diverse as {effective:,.0f} equally frequent ones",
        "Over-represented": ", ".join(f"{shown_task(t.task)} ({100 * t.share:.1f} %)" for t in over[:10]) or "none",
        "Near-duplicates": f"{len(duplicates.dropped):,}",
        **({} if reference is None else {"Compared with": reference[0]}),
        **(facts or {}),
    }
    if rows > MAP_ROWS:
        shown["On the map"] = f"a random {MAP_ROWS:,} of {rows:,}"
    made_steps = [list(found) for found in steps] if steps is not None else [[label] for label in labels]
    result = _map(instructions, list(labels), made_steps, tasks, vectors, duplicates, shown, seed)
    return Audit(
        instructions,
        list(labels),
        made_steps,
        tasks,
        effective,
        duplicates,
        None if reference is None else reference[0],
        result,
    )


def effective_number(counts: Sequence[int]) -> float:
    """exp of the entropy of the shares: k for k equal counts, near 1 when one count is nearly all."""
    shares = np.array(counts, float) / sum(counts)
    return float(np.exp(-(shares * np.log(shares)).sum()))


def task_shares(counts: Mapping[str, int], reference: Mapping[str, int] | None = None) -> list[TaskShare]:
    """Every task's share beside the one expected, the most frequent first.

    Without a reference the expected share is that of one of ``effective_number`` equally frequent tasks, and a task
    of TIMES_EVEN times that is over-represented. With one it is the task's share in the reference (half a count added
    to each), and TIMES_REFERENCE times that is, if the likelihood ratio of the two shares is beyond DEVIATIONS standard
    deviations (the root of the G statistic).
    """
    total = sum(counts.values())
    even = 1 / effective_number(list(counts.values()))
    found = []
    for task, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        share = count / total
        if reference is None:
            found.append(TaskShare(task, count, share, even, share >= TIMES_EVEN * even))
            continue
        expected = (reference.get(task, 0) + 0.5) / (sum(reference.values()) + 0.5 * len(set(counts) | set(reference)))
        sure = _root_of_g(count, total, reference.get(task, 0), sum(reference.values())) >= DEVIATIONS
        found.append(TaskShare(task, count, share, expected, share >= TIMES_REFERENCE * expected and sure))
    return found


def _root_of_g(a: int, total_a: int, b: int, total_b: int) -> float:
    """About standard normal when a of total_a and b of total_b have the same chance; without a sign."""
    observed = np.array([[a, total_a - a], [b, total_b - b]], float)
    expected = observed.sum(1, keepdims=True) * observed.sum(0) / observed.sum()
    return float(np.sqrt(max(0.0, 2 * (xlogy(observed, observed) - xlogy(observed, expected)).sum())))


def write_audit(found: Audit, folder: str | Path) -> list[Path]:
    """Write report.html, tasks.csv, instructions.csv and summary.json into a folder that exists; their paths."""
    folder = Path(folder)
    tasks = pl.DataFrame([asdict(task) | {"times": task.times} for task in found.tasks])
    numbers = [row.row for row in found.instructions.rows]
    kept = found.duplicates.kept
    table = pl.DataFrame(
        {
            "row": numbers,
            "task": found.labels,
            "steps": found.steps,
            "duplicate_of_row": [None if kept[i] == i else numbers[kept[i]] for i in range(len(kept))],
            "overlap": [None if kept[i] == i else float(found.duplicates.overlap[i]) for i in range(len(kept))],
            "instruction": found.instructions.texts,
        },
        schema_overrides={
            "steps": pl.List(pl.String),
            "duplicate_of_row": pl.Int64,
            "overlap": pl.Float64,
        },
    )
    paths = [folder / name for name in ("report.html", "tasks.csv", "instructions.csv", "summary.json")]
    with put_in_place(paths[0]) as part:
        write_report(found.result, part)
    for path, frame in zip(paths[1:3], (tasks, table), strict=True):
        with put_in_place(path) as part:
            write_csv(frame, part)
    with put_in_place(paths[3]) as part:
        part.write_text(json.dumps(found.summary(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return paths


def shown_task(label: str) -> str:
    """A merged label as a person reads it.

    >>> shown_task("write|story##compose|narrative"), shown_task("translate|none")
    ('write story', 'translate')
    """
    return label.split(JOIN)[0].replace("|none", "").replace("|", " ")


# --- the map -----------------------------------------------------------------------------------------------------


def _map(
    instructions: InstructionSet,
    labels: list[str],
    steps: list[list[str]],
    tasks: Sequence[TaskShare],
    vectors: Array,
    duplicates: Duplicates,
    facts: dict[str, str],
    seed: int,
) -> CorpusResult:
    n = len(labels)
    drawn = np.arange(n)
    if n > MAP_ROWS:
        drawn = np.sort(np.random.default_rng(seed).choice(n, MAP_ROWS, replace=False))
    space = clustering_space(np.asarray(vectors, np.float32)[drawn])
    positions = project(space, seed=seed)
    texts = [instructions.texts[row] for row in drawn]
    over = {task.task for task in tasks if task.over}
    twice = np.bincount(duplicates.kept, minlength=n) > 1
    repeated = ["dropped" if duplicates.kept[row] != row else "kept" if twice[row] else "" for row in drawn.tolist()]
    main = [labels[row] for row in drawn]
    said = [", then ".join(map(shown_task, dict.fromkeys([labels[row], *steps[row][1:]]))) for row in drawn.tolist()]
    by_task = "Coloured by task label, the {} most frequent; the rest is grey."
    questions = [
        _question("Which task?", main, shown_task, said, "Rarer tasks", by_task, texts, space, positions),
        _question(
            "Which verb?",
            [label.split("|")[0] for label in main],
            str,
            said,
            "Rarer verbs",
            "Coloured by the verb of the task label, the {} most frequent; the rest is grey.",
            texts,
            space,
            positions,
        ),
        _question(
            "Is its task over-represented?",
            [label if label in over else "" for label in main],
            shown_task,
            said,
            "Not over-represented",
            "Coloured where the task is over-represented; see tasks.csv for the shares.",
            texts,
            space,
            positions,
        ),
        _question(
            "Is it there twice?",
            repeated,
            lambda kind: "Near-duplicates, dropped" if kind == "dropped" else "Near-duplicates, kept",
            said,
            "Alone",
            "Coloured where a near-duplicate exists; see instructions.csv for which.",
            texts,
            space,
            positions,
        ),
    ]
    return CorpusResult(f"Audit of {instructions.name}", texts, questions, facts)


def _question(
    question: str,
    groups: Sequence[str],
    shown: Any,
    said: list[str],
    rest: str,
    method: str,
    texts: Sequence[str],
    space: Array,
    positions: Any,
) -> QuestionResult:
    """The map coloured by group; "" and groups after the first MAP_TASKS are the grey rest."""
    counts = Counter(group for group in groups if group)
    named = [group for group, count in counts.most_common(MAP_TASKS) if count > 1 or len(counts) <= MAP_TASKS]
    places = {group: place for place, group in enumerate(named)}
    numbers = np.array([places.get(group, NOISE) for group in groups], np.int64)
    clusters = []
    for place, group in enumerate(named):
        members = numbers == place
        typical = typical_rows(texts, space, members, space[members].mean(0))
        clusters.append(Cluster(place, int(members.sum()), [], [], typical, name=_capital(shown(group))))
    grey = np.flatnonzero(numbers == NOISE)
    if len(grey):
        clusters.append(Cluster(NOISE, len(grey), [], [], [int(row) for row in grey[:5]], name=rest))
    return QuestionResult(question, numbers, positions, said, clusters, method.format(len(named)))


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
