"""Category retrieval on Super-NaturalInstructions: does a definition find the tasks of its own category?

Tasks made from the query's own data set are left out. ``seen``: train tasks, one left out; ``unseen``: test tasks
among all English tasks, categories that no train task has. Definitions only, never task names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from answerspace.task_selection.instruction_vectors import InstructionEncoder
from answerspace.task_selection.ranking import InstructionSpace, SelectionRecipe, auto_k
from answerspace.task_selection.selection_measures import average_precision, f1, ndcg, precision_at
from answerspace.task_selection.task_pool import PoolTask

Numbers = npt.NDArray[np.float64]
FIXED_K = (5, 10, 20, 70)


@dataclass(frozen=True)
class RetrievalCase:
    """A pool and the places of the queries in it."""

    name: str
    tasks: list[PoolTask]
    queries: list[int]


def retrieval_cases(train: Sequence[PoolTask], test: Sequence[PoolTask]) -> list[RetrievalCase]:
    """The seen and the unseen case."""
    both = [*train, *test]
    return [
        RetrievalCase("seen", list(train), list(range(len(train)))),
        RetrievalCase("unseen", both, list(range(len(train), len(both)))),
    ]


def run_retrieval(case: RetrievalCase, encode: InstructionEncoder, recipe: SelectionRecipe) -> dict[str, Numbers]:
    """A number per query with at least one mate: MAP, nDCG@10, P@5, and the F1 of k = auto beside fixed k."""
    space = InstructionSpace(case.tasks, encode, recipe)
    found: dict[str, list[float]] = {}
    for query in case.queries:
        own = case.tasks[query]
        kept = [
            i for i, task in enumerate(case.tasks) if i != query and not (task.origin and task.origin == own.origin)
        ]
        mates = np.array([case.tasks[i].category == own.category for i in kept])
        if not mates.any():
            continue
        scores = space.scores(query, kept)
        relevant = mates[np.argsort(-scores, kind="stable")]
        row = {
            "MAP": average_precision(relevant),
            "nDCG@10": ndcg(relevant.astype(float), 10),
            "P@5": precision_at(relevant, 5),
        }
        for name, k in {"auto": auto_k(scores), **{str(k): k for k in FIXED_K}}.items():
            row[f"F1 at k = {name}"] = f1(min(k, len(relevant)), int(mates.sum()), int(relevant[:k].sum()))
        for name, value in row.items():
            found.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in found.items()}
