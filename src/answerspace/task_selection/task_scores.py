"""The arithmetic of INSTA: cosines between instructions become a score per task (arXiv 2404.16418 and its code).

A target and every task may have several instructions. ``cosines`` (t, n) compares the t of the target with the n of
the pool; ``owners`` (n,) says which of the m tasks an instruction belongs to.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from answerspace.errors import InputError

Numbers = npt.NDArray[np.float64]
Owners = npt.NDArray[np.intp]
PLACES = 10  # ranks that vote, in the authors' inference_max_of_max.py


def mean_cosine(cosines: Numbers, owners: Owners, tasks: int) -> Numbers:
    """(m,) mean over all pairs of target and task instructions: the first of the two published rules."""
    return np.asarray(np.bincount(owners, cosines.mean(0), tasks) / np.bincount(owners, minlength=tasks))


def best_match(cosines: Numbers, owners: Owners, tasks: int) -> Numbers:
    """(m,) each target instruction's best match among the task's instructions, averaged."""
    best = np.full((len(cosines), tasks), -np.inf)
    for row, one in zip(best, cosines, strict=True):
        np.maximum.at(row, owners, one)
    return np.asarray(best.mean(0))


def rank_vote(cosines: Numbers, owners: Owners, tasks: int, *, weighted: bool = False) -> Numbers:
    """(m,) the second published rule: each target instruction's ten nearest vote for the tasks that own them.

    Rank r (from 0) gives 10^(3 (10 - r)); ``weighted`` multiplies the vote by the cosine. Ties go to the earlier
    instruction. A task may take several of the ten places.
    """
    votes = np.zeros(tasks)
    for row in cosines:
        nearest = np.argsort(-row, kind="stable")[:PLACES]
        size = 10.0 ** (3 * (PLACES - np.arange(len(nearest))))
        np.add.at(votes, owners[nearest], size * row[nearest] if weighted else size)
    return votes


AGGREGATIONS: dict[str, Callable[[Numbers, Owners, int], Numbers]] = {
    "mean": mean_cosine,
    "rank_vote": rank_vote,
    "rank_vote_weighted": lambda cosines, owners, tasks: rank_vote(cosines, owners, tasks, weighted=True),
    "best_match": best_match,
}


def aggregate(name: str, cosines: Numbers, owners: Owners, tasks: int) -> Numbers:
    """(m,) scores by the named rule; InputError lists the names."""
    if name not in AGGREGATIONS:
        raise InputError(f"aggregation must be one of {', '.join(AGGREGATIONS)}. Got {name!r}.")
    return AGGREGATIONS[name](cosines, owners, tasks)


def standardised(scores: Numbers) -> Numbers:
    """Scores with mean 0 and standard deviation 1; all 0 where they do not vary."""
    spread = scores.std()
    return np.asarray((scores - scores.mean()) / spread if spread > 1e-12 else np.zeros_like(scores))


def smoothed(vectors: Numbers, *, neighbours: int, power: float = 3.0) -> Numbers:
    """Each unit row averaged with its nearest rows, weights cosine^power: tasks that mean the same move together.

    Unsupervised query expansion as in image retrieval (Radenović et al. 2018, arXiv 1711.02512, section 4.3), on
    both sides. The result has unit rows.
    """
    if neighbours <= 0 or len(vectors) < 3:
        return vectors
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, 1.0)
    kept = np.argsort(-cosines, axis=1, kind="stable")[:, : neighbours + 1]
    weights = np.zeros_like(cosines)
    np.put_along_axis(weights, kept, np.maximum(np.take_along_axis(cosines, kept, 1), 0) ** power, 1)
    return unit(weights @ vectors)


def unit(vectors: npt.NDArray[np.floating]) -> Numbers:
    """Rows of length 1 in double precision; a zero row stays zero."""
    rows = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 1e-12))
