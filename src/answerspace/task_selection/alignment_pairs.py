"""What a selector is aligned on: instructions with their group, and the pairs and batches made of them.

A group is what should be close: a data set of P3 templates, a category of Super-NaturalInstructions definitions. The
published pairs follow INSTA's code; ours hold categories apart for model choice and look for hard negatives, tasks
made from the same data set that ask for something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from answerspace.errors import InputError
from answerspace.task_selection.task_pool import PoolTask

Cosines = npt.NDArray[np.floating]
POSITIVE_SHARE = 0.4
EASY_BELOW = 0.3
MOST_USES = 4
DRAWS = 200  # tries to find an easy negative before a text goes without


@dataclass(frozen=True)
class Instruction:
    """A text, the group it belongs to and the data set it was made from."""

    text: str
    group: str
    origin: str = ""


def instructions_of(tasks: Sequence[PoolTask]) -> list[Instruction]:
    """Every instruction of the tasks: its group is the category, or the task itself where there is none."""
    return [Instruction(text, task.category or task.name, task.origin) for task in tasks for text in task.instructions]


def published_pairs(
    instructions: Sequence[Instruction], cosines: Cosines, *, seed: int = 42
) -> list[tuple[int, int, float]]:
    """INSTA's pairs as (row, row, label): positives of one group (a random 40 %), easy negatives from others.

    One negative per text, from another group, redrawn until the base model's cosine (n, n) is below 0.3; a text
    serves as a negative at most four times.
    """
    rng = np.random.default_rng(seed)
    groups = [one.group for one in instructions]
    positives = [(i, j) for i in range(len(groups)) for j in range(i + 1, len(groups)) if groups[i] == groups[j]]
    kept = rng.permutation(len(positives))[: round(POSITIVE_SHARE * len(positives))]
    pairs = [(*positives[i], 1.0) for i in sorted(kept)]
    uses = np.zeros(len(groups), int)
    for i in range(len(groups)):
        for j in rng.integers(0, len(groups), DRAWS):
            if groups[j] != groups[i] and cosines[i, j] < EASY_BELOW and uses[j] < MOST_USES:
                uses[j] += 1
                pairs.append((i, int(j), 0.0))
                break
    return pairs


def held_apart(
    instructions: Sequence[Instruction], *, groups: int = 12, least: int = 2, share: float = 0.25, seed: int = 0
) -> tuple[list[Instruction], list[Instruction]]:
    """(rest, dev): whole groups held apart for model choice, about ``groups`` of them, never over ``share`` of all."""
    sizes: dict[str, int] = {}
    for one in instructions:
        sizes[one.group] = sizes.get(one.group, 0) + 1
    names = [name for name, size in sorted(sizes.items()) if size >= least]
    dev: set[str] = set()
    for place in np.random.default_rng(seed).permutation(len(names)):
        if len(dev) == groups:
            break
        if sum(sizes[name] for name in (*dev, names[place])) <= share * len(instructions):
            dev.add(names[place])
    if not dev:
        raise InputError("Alignment must hold whole groups apart for model choice. Got too few groups of 2 and more.")
    rest = [one for one in instructions if one.group not in dev]
    return rest, [one for one in instructions if one.group in dev]


def hard_batches(
    instructions: Sequence[Instruction], *, groups: int, each: int, seed: int
) -> Iterator[npt.NDArray[np.intp]]:
    """Batches of row numbers for one epoch: ``groups`` groups with up to ``each`` texts.

    Half of a batch's groups are chosen at random by their size's square root, the others because they hold a text
    of the same data set as one already in: the hard negatives. Texts of a group come from different data sets
    while there are any.
    """
    rng = np.random.default_rng(seed)
    members: dict[str, list[int]] = {}
    for i, one in enumerate(instructions):
        members.setdefault(one.group, []).append(i)
    names = [name for name, rows in members.items() if len(rows) > 1]
    weights = np.sqrt([len(members[name]) for name in names])
    by_origin: dict[str, list[int]] = {}
    for i, one in enumerate(instructions):
        by_origin.setdefault(one.origin or f"only {i}", []).append(i)
    for _ in range(max(1, len(instructions) // (groups * each))):
        first = rng.choice(len(names), min(len(names), max(2, groups // 2)), replace=False, p=weights / weights.sum())
        batch = [row for g in first for row in _varied(instructions, members[names[g]], each, rng)]
        inside = {instructions[row].group for row in batch}
        for row in rng.permutation(batch):
            rivals = [j for j in by_origin[instructions[row].origin or f"only {row}"] if j not in batch]
            rivals = [j for j in rivals if instructions[j].group not in inside]
            if rivals and len(inside) < groups:
                rival = int(rng.choice(rivals))
                inside.add(instructions[rival].group)
                others = [j for j in members[instructions[rival].group] if j != rival]
                batch += [rival, *_varied(instructions, others, each - 1, rng)]
        yield np.array(batch, np.intp)


def _varied(instructions: Sequence[Instruction], rows: Sequence[int], most: int, rng: np.random.Generator) -> list[int]:
    order = [rows[i] for i in rng.permutation(len(rows))]
    seen: set[str] = set()
    fresh = [i for i in order if not (instructions[i].origin in seen or seen.add(instructions[i].origin))]  # type: ignore[func-returns-value]
    return (fresh + [i for i in order if i not in fresh])[:most]
