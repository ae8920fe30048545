"""From a target instruction to ranked source tasks: scores, how many, why, and how sure.

A recipe says how the parts are joined. ``insta`` and ``insta-vote`` repeat the published rules; ``answerspace`` is
ours: instruction similarity plus character n-grams, neighbourhood smoothing where a task has one instruction only, and
a prior where transfers to other targets were measured (docs/task_selection.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from answerspace.errors import InputError
from answerspace.task_selection.instruction_vectors import InstructionEncoder, character_cosines
from answerspace.task_selection.selection_measures import overlap
from answerspace.task_selection.task_pool import PoolTask
from answerspace.task_selection.task_scores import Numbers, aggregate, smoothed, standardised, unit

Rows = npt.NDArray[np.intp]
AUTO_THRESHOLD = (
    1.75  # standard deviations above the pool's mean; chosen on NIV2's train categories (docs/task_selection.md)
)
AUTO_LEAST = 3
SHARED_WORDS = 4


@dataclass(frozen=True)
class SelectionRecipe:
    """How scores are made. ``lexical`` weighs the character n-grams, ``prior`` the usefulness of a source."""

    aggregation: str = "best_match"
    lexical: float = 0.4
    neighbours: int = 5
    prior: float = 1.0

    @property
    def plain(self) -> bool:
        """True where a score is the aggregated cosine itself."""
        return self.lexical == 0 and self.neighbours == 0


RECIPES = {
    "answerspace": SelectionRecipe(),
    "insta": SelectionRecipe("mean", 0.0, 0),
    "insta-vote": SelectionRecipe("rank_vote", 0.0, 0),
    "insta-vote-weighted": SelectionRecipe("rank_vote_weighted", 0.0, 0),
}


@dataclass(frozen=True)
class Pick:
    """A chosen task: its place in the pool, its score and why."""

    place: int
    name: str
    score: float
    reason: str
    parts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Selection:
    """The ranked picks; ``stability`` is the mean share of them that a part of the target's instruction also picks."""

    picks: list[Pick]
    scores: Numbers  # (m,) for the whole pool
    stability: float | None = None
    notes: list[str] = field(default_factory=list)


def recipe_named(name: str) -> SelectionRecipe:
    """A recipe, or an InputError that lists them."""
    if name not in RECIPES:
        raise InputError(f"--recipe must be one of {', '.join(RECIPES)}. Got {name!r}.")
    return RECIPES[name]


class InstructionSpace:
    """The instructions of a pool and some targets in one space: cosines between them under a recipe.

    Tasks with one instruction each are centred and smoothed by the recipe's neighbours; where tasks have several
    wordings these already average, and their plain cosines are used.
    """

    def __init__(self, tasks: Sequence[PoolTask], encode: InstructionEncoder, recipe: SelectionRecipe) -> None:
        self.tasks = list(tasks)
        self.recipe = recipe
        self.owners = np.repeat(np.arange(len(tasks)), [len(task.instructions) for task in tasks])
        self.texts = [text for task in tasks for text in task.instructions]
        vectors = unit(encode(self.texts))
        if recipe.neighbours and len(self.texts) == len(self.tasks):
            vectors = smoothed(unit(vectors - vectors.mean(0)), neighbours=recipe.neighbours)
        self.vectors = vectors
        self.lexical = character_cosines(self.texts) if recipe.lexical else None

    def rows_of(self, tasks: Sequence[int]) -> Rows:
        """The instruction rows of tasks."""
        return np.asarray(np.flatnonzero(np.isin(self.owners, list(tasks))))

    def parts(self, target_rows: Rows, sources: Sequence[int]) -> dict[str, Numbers]:
        """The aggregated parts of the score, each (m,) over ``sources``, for the target that owns the rows."""
        rows = self.rows_of(sources)
        place = {source: i for i, source in enumerate(sources)}
        owners = np.array([place[int(owner)] for owner in self.owners[rows]], np.intp)
        cosines = self.vectors[target_rows] @ self.vectors[rows].T
        parts = {"similarity": aggregate(self.recipe.aggregation, cosines, owners, len(sources))}
        if self.lexical is not None:
            shared = self.lexical[np.ix_(target_rows, rows)]
            parts["words"] = aggregate(self.recipe.aggregation, shared, owners, len(sources))
        return parts

    def scores(self, target: int, sources: Sequence[int], prior: Numbers | None = None) -> Numbers:
        """(m,) scores of the sources for the target, a task of this space."""
        return joined(self.parts(self.rows_of([target]), sources), self.recipe, prior)


def joined(parts: dict[str, Numbers], recipe: SelectionRecipe, prior: Numbers | None = None) -> Numbers:
    """(m,) the parts as one score: cosines as they are for a plain recipe, else a weighted sum of standardised parts.

    Similarity and words together count as one standardised part beside the prior.
    """
    if recipe.plain and prior is None:
        return parts["similarity"]
    instruction = standardised(parts["similarity"])
    if "words" in parts:
        instruction = standardised(instruction + recipe.lexical * standardised(parts["words"]))
    return instruction if prior is None else standardised(prior) * recipe.prior + instruction


def select_tasks(
    target: PoolTask,
    pool: Sequence[PoolTask],
    encode: InstructionEncoder,
    *,
    k: int | None = None,
    recipe: SelectionRecipe = RECIPES["answerspace"],
    prior: Sequence[float] | None = None,
    per_origin: int | None = None,
    diversity: float = 0.0,
    resamples: int = 20,
    seed: int = 0,
) -> Selection:
    """The ``k`` tasks of the pool to train on for a target, best first; k None chooses their number (``auto_k``).

    ``prior`` is a number per pool task, larger for sources that helped other targets. ``per_origin`` caps how many
    may come from one data set, ``diversity`` in [0, 1) lowers tasks that resemble those already picked (maximal
    marginal relevance). ``resamples`` parts of the target's instruction measure the stability; 0 leaves it out.
    """
    if k is not None and not 1 <= k <= len(pool):
        raise InputError(f"--k must be between 1 and the {len(pool)} tasks of the pool, or auto. Got {k}.")
    if not 0 <= diversity < 1:
        raise InputError(f"--diversity must be at least 0 and below 1. Got {diversity}.")
    useful = None if prior is None else np.asarray(prior, np.float64)
    space = InstructionSpace([*pool, target], encode, recipe)
    sources = list(range(len(pool)))
    parts = space.parts(space.rows_of([len(pool)]), sources)
    scores = joined(parts, recipe, useful)
    size = k if k is not None else auto_k(scores)
    notes = [] if k is not None else [f"k = {size}, chosen from the scores."]
    order = pick(scores, size, _closeness(space, len(pool)), [t.origin for t in pool], per_origin, diversity)
    if len(order) < size:
        notes.append(f"Only {len(order)} tasks could be picked under at most {per_origin} from one source.")
    stability = None
    if resamples:
        pieces = instruction_parts(target.instructions, resamples, seed)
        stability = _stability(pool, pieces, encode, recipe, useful, order) if pieces else None
        if stability is None:
            notes.append("No stability: the target's instruction is one sentence.")
    picks = [
        Pick(i, pool[i].name, float(scores[i]), _reason(i, space, parts, useful), _parts_of(i, parts, useful))
        for i in order
    ]
    return Selection(picks, scores, stability, notes)


def pick(
    scores: Numbers,
    k: int,
    closeness: Numbers | None = None,
    origins: Sequence[str] | None = None,
    per_origin: int | None = None,
    diversity: float = 0.0,
) -> list[int]:
    """The places of k tasks, best first, by score alone or with fewer that repeat each other.

    ``closeness`` (m, m) are cosines between tasks; with ``diversity`` d a task's worth is (1 - d) times its
    standardised score minus d times the standardised closeness to the nearest pick (Carbonell and Goldstein 1998).
    """
    worth = standardised(scores)
    taken: list[int] = []
    used: dict[str, int] = {}
    free = np.ones(len(scores), np.bool_)
    nearest = np.full(len(scores), -np.inf)
    while len(taken) < k and free.any():
        value = worth.copy()
        if diversity and closeness is not None and taken:
            value = (1 - diversity) * worth - diversity * standardised(nearest)
        value[~free] = -np.inf
        best = int(np.argmax(value))
        taken.append(best)
        free[best] = False
        if closeness is not None:
            nearest = np.maximum(nearest, closeness[best])
        if per_origin is not None and origins is not None and origins[best]:
            used[origins[best]] = used.get(origins[best], 0) + 1
            if used[origins[best]] >= per_origin:
                free &= np.array([one != origins[best] for one in origins])
    return taken


def auto_k(scores: Numbers, threshold: float = AUTO_THRESHOLD) -> int:
    """How many tasks stand out: scores more than ``threshold`` standard deviations above the mean, 3 at least."""
    return int(max(min(AUTO_LEAST, len(scores)), (standardised(scores) > threshold).sum()))


def instruction_parts(instructions: Sequence[str], resamples: int, seed: int) -> list[tuple[str, ...]]:
    """Random halves of an instruction: of its wordings where there are several, else of its sentences, in order."""
    units = list(instructions) if len(instructions) > 1 else sentences(instructions[0])
    if len(units) < 2:
        return []
    rng = np.random.default_rng(seed)
    half = (len(units) + 1) // 2
    chosen = [np.sort(rng.choice(len(units), half, replace=False)) for _ in range(resamples)]
    parts = [tuple(units[i] for i in one) for one in chosen]
    return parts if len(instructions) > 1 else [(" ".join(part),) for part in parts]


def sentences(text: str) -> list[str]:
    """The sentences of an instruction."""
    import re

    return [one.strip() for one in re.split(r"(?<=[.!?:;])\s+|\n+", text) if len(one.strip()) > 1]


def _stability(
    pool: Sequence[PoolTask],
    pieces: Sequence[tuple[str, ...]],
    encode: InstructionEncoder,
    recipe: SelectionRecipe,
    prior: Numbers | None,
    order: Sequence[int],
) -> float:
    """Mean share of the picks that half the target's instruction also puts among the first k."""
    shares = []
    wanted = {pool[i].name for i in order}
    for piece in dict.fromkeys(pieces):
        space = InstructionSpace([*pool, PoolTask("part of the target", piece)], encode, recipe)
        scores = space.scores(len(pool), list(range(len(pool))), prior)
        top = np.argsort(-scores, kind="stable")[: len(order)]
        shares.append(overlap([pool[i].name for i in top], wanted))
    return float(np.mean(shares))


def _closeness(space: InstructionSpace, tasks: int) -> Numbers:
    """(m, m) cosines between the mean vectors of the tasks."""
    sums = np.zeros((tasks, space.vectors.shape[1]))
    inside = space.owners < tasks
    np.add.at(sums, space.owners[inside], space.vectors[inside])
    means = unit(sums)
    return np.asarray(means @ means.T)


def _parts_of(i: int, parts: dict[str, Numbers], prior: Numbers | None) -> dict[str, float]:
    found = {name: float(values[i]) for name, values in parts.items()}
    return found if prior is None else {**found, "prior": float(prior[i])}


def _reason(i: int, space: InstructionSpace, parts: dict[str, Numbers], prior: Numbers | None) -> str:
    """One line: how similar, in which words, and what is known of the source."""
    target_rows, rows = space.rows_of([len(space.tasks) - 1]), space.rows_of([i])
    cosines = space.vectors[target_rows] @ space.vectors[rows].T
    best = rows[int(cosines.max(0).argmax())]
    words = _shared_words(" ".join(space.texts[row] for row in target_rows), space.texts[best])
    said = [f"similarity {cosines.max():.2f}"]
    if words:
        said.append("shares " + ", ".join(words))
    if space.tasks[i].category:
        said.append(space.tasks[i].category)
    if prior is not None:
        said.append(f"usefulness {prior[i]:.2f}")
    return "; ".join(said)


def _shared_words(target: str, source: str) -> list[str]:
    import re

    from answerspace.stop_words import ENGLISH_STOP_WORDS

    words = [word for word in re.findall(r"[a-z]{3,}", source.lower()) if word not in ENGLISH_STOP_WORDS]
    inside = set(re.findall(r"[a-z]{3,}", target.lower()))
    common = [word for word in dict.fromkeys(words) if word in inside]
    return sorted(common, key=lambda word: (-len(word), word))[:SHARED_WORDS]
