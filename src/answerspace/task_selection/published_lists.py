"""Agreement with the selections that INSTA's authors published in their run configurations: a reference, no target."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from answerspace.errors import InputError
from answerspace.task_selection.instruction_vectors import InstructionEncoder
from answerspace.task_selection.measured_transfers import ROE_TARGETS, published_name
from answerspace.task_selection.ranking import InstructionSpace, SelectionRecipe
from answerspace.task_selection.selection_measures import overlap
from answerspace.task_selection.task_pool import PoolTask

Numbers = npt.NDArray[np.float64]
FILE = "insta_published_selections.json"


@dataclass(frozen=True)
class PublishedLists:
    """For each target its published picks, named as the sources are. ``k`` is the published number."""

    name: str
    targets: list[PoolTask]
    sources: list[PoolTask]
    picks: list[list[str]]
    k: int


def published_lists(folder: Path) -> dict[str, Any]:
    """benchmark -> selector version -> target -> picks, as the file has them."""
    try:
        content: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))["benchmarks"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / FILE} must be a JSON file with 'benchmarks'. Got: {error}.") from None
    return content


def read_published_lists(
    folder: Path,
    templates: Mapping[str, PoolTask],
    train: Sequence[PoolTask],
    test: Sequence[PoolTask],
    bbh: Sequence[PoolTask],
    p3_sources: Sequence[PoolTask],
) -> list[PublishedLists]:
    """P3 (plain and aligned selector, k = 5), NIV2 and BBH (aligned, k = 70)."""
    lists = published_lists(folder)
    short = [PoolTask(published_name(task.name), task.instructions, task.category, task.origin) for task in p3_sources]
    found = []
    for version in ("insta", "insta_aligned"):
        picks = lists["p3"][version]
        targets = [templates[ROE_TARGETS[name][1]] for name in picks]
        found.append(PublishedLists(f"P3, {version}", targets, short, list(picks.values()), 5))
    by_number = {task.name.split("_")[0]: task for task in test}
    niv2 = lists["niv2"]["insta_aligned"]
    numbers = {name: re.search(r"task\d+$", name) for name in niv2}
    known = [name for name, number in numbers.items() if number and number.group() in by_number]
    targets = [by_number[name.rsplit("_", 1)[1]] for name in known]
    plain = [[one.rsplit("/", 1)[-1] for one in niv2[name]] for name in known]
    found.append(PublishedLists("NIV2, insta_aligned", targets, list(train), plain, 70))
    by_name = {task.name: task for task in bbh}
    named = [name for name in lists["bbh"]["insta_aligned"] if name in by_name]
    picks_bbh = [[one.rsplit("/", 1)[-1] for one in lists["bbh"]["insta_aligned"][name]] for name in named]
    found.append(PublishedLists("BBH, insta_aligned", [by_name[n] for n in named], list(train), picks_bbh, 70))
    return found


def run_published(lists: PublishedLists, encode: InstructionEncoder, recipe: SelectionRecipe) -> Numbers:
    """Per target, the share of the distinct published picks among our first k."""
    space = InstructionSpace([*lists.sources, *lists.targets], encode, recipe)
    sources = list(range(len(lists.sources)))
    shares = []
    for i, picks in enumerate(lists.picks):
        order = np.argsort(-space.scores(len(sources) + i, sources), kind="stable")[: lists.k]
        shares.append(overlap([lists.sources[j].name for j in order], picks))
    return np.array(shares)
