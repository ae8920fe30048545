"""Near-duplicate texts: pairs whose sets of character 5-grams overlap by at least a threshold (Jaccard index).

Exact, not hashed: with the grams of a text in order of rarity, two texts can only reach a threshold t if they share
one of their first |x| - ceil(t |x|) + 1 grams (prefix filtering, Chaudhuri et al. 2006), so only texts that share a
rare gram are compared. Knows texts only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

from answerspace.errors import InputError
from answerspace.progress import track

GRAM = 5
BLOCK = 1_000  # texts compared with all others at once
PAIRS = 100_000  # pairs whose overlap is counted at once
_SIGNS = re.compile(r"[\W_]+")
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Duplicates:
    """For each text the row that is kept in its place (its own when it is kept), and its overlap with that row."""

    kept: Rows  # (n,)
    overlap: npt.NDArray[np.float64]  # (n,) 1 for kept and for identical texts

    @property
    def dropped(self) -> list[int]:
        """The rows that another one stands for."""
        return [int(row) for row in np.flatnonzero(self.kept != np.arange(len(self.kept)))]

    def groups(self) -> list[list[int]]:
        """The rows of each near-duplicate group, the kept one first; the largest group first."""
        members: dict[int, list[int]] = {}
        for row in self.dropped:
            members.setdefault(int(self.kept[row]), [int(self.kept[row])]).append(row)
        return sorted(members.values(), key=lambda group: (-len(group), group[0]))


def find_duplicates(texts: Sequence[str], threshold: float = 0.8, *, show_progress: bool = False) -> Duplicates:
    """Go through n texts in order and drop each that overlaps a kept earlier one by at least the threshold.

    Texts are compared in lower case without signs. A dropped text is assigned to the kept one it overlaps most.
    Threshold 1 finds texts with the same set of grams. Raises InputError for a threshold outside (0, 1].
    """
    if not 0 < threshold <= 1:
        raise InputError(f"--threshold must be above 0 and at most 1. Got {threshold}.")
    plain = [_SIGNS.sub(" ", text.casefold()).strip() or text for text in texts]
    places: dict[str, int] = {}
    first = np.array([places.setdefault(text, row) for row, text in enumerate(plain)], np.intp)
    kept, overlap = first.copy(), np.ones(len(plain))
    rows = np.fromiter(places.values(), np.intp, len(places))
    for later, earlier, jaccard in _similar_pairs(list(places), threshold, show_progress):
        a, b = rows[later], rows[earlier]
        if kept[b] == b and (kept[a] == a or jaccard > overlap[a]):
            kept[a], overlap[a] = b, jaccard
    moved = first != np.arange(len(plain))
    kept[moved], overlap[moved] = kept[first[moved]], overlap[first[moved]]
    return Duplicates(kept, overlap)


def _similar_pairs(texts: Sequence[str], threshold: float, show_progress: bool) -> Iterator[tuple[int, int, float]]:
    """(later, earlier, Jaccard) of the pairs of distinct texts that reach the threshold, in order of the later one."""
    if len(texts) < 2:
        return
    grams = _rare_first(texts)
    sizes = np.diff(grams.indptr)
    prefixes = _prefixes(grams, threshold)
    columns = prefixes.T.tocsr()
    starts = list(range(0, len(texts), BLOCK))
    for start in track(starts, f"duplicates (x {BLOCK:,})") if show_progress else starts:
        shared = (prefixes[start : start + BLOCK] @ columns[:, : start + BLOCK]).tocoo()
        later, earlier = shared.row + start, shared.col
        near = (earlier < later) & (
            np.minimum(sizes[later], sizes[earlier]) >= threshold * np.maximum(sizes[later], sizes[earlier])
        )
        order = np.lexsort((earlier[near], later[near]))
        later, earlier = later[near][order], earlier[near][order]
        for at in range(0, len(later), PAIRS):
            a, b = later[at : at + PAIRS], earlier[at : at + PAIRS]
            common = np.asarray(grams[a].multiply(grams[b]).sum(1)).ravel()
            jaccard = common / (sizes[a] + sizes[b] - common)
            for i in np.flatnonzero(jaccard >= threshold - 1e-9):
                yield int(a[i]), int(b[i]), float(jaccard[i])


def _rare_first(texts: Sequence[str]) -> sparse.csr_matrix:
    """(n, grams) of 0 and 1 with the columns in order of how many texts have them, the rarest first."""
    padded = [f"{'_' * (GRAM - 2)}{text}_" for text in texts]  # as many grams as letters; the first words count more
    counts = CountVectorizer(analyzer="char", ngram_range=(GRAM, GRAM), binary=True, lowercase=False, dtype=np.int32)
    grams = counts.fit_transform(padded).tocsr()
    frequency = np.bincount(grams.indices, minlength=grams.shape[1])
    place = np.empty(grams.shape[1], np.int32)
    place[np.argsort(frequency, kind="stable")] = np.arange(grams.shape[1], dtype=np.int32)
    ordered = sparse.csr_matrix((grams.data, place[grams.indices], grams.indptr), shape=grams.shape)
    ordered.sort_indices()
    return ordered


def _prefixes(grams: sparse.csr_matrix, threshold: float) -> sparse.csr_matrix:
    """The first |x| - ceil(threshold |x|) + 1 grams of each row."""
    sizes = np.diff(grams.indptr)
    lengths = sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1
    within = np.arange(len(grams.indices)) - np.repeat(grams.indptr[:-1], sizes)
    keep = within < np.repeat(lengths, sizes)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return sparse.csr_matrix((np.ones(int(keep.sum()), np.int32), grams.indices[keep], starts), shape=grams.shape)
