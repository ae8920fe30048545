"""Judging: one function per kind of task, from its content and an encoder's vectors to measures times 100.

Every function also gives bootstrap draws, made from the same draws of items for every encoder, so that two encoders
are compared by subtracting them (``differences``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from answerspace.answers import Array
from answerspace.clustering import clustering_space
from answerspace.evaluation.clusterings import Clusterings
from answerspace.evaluation.protocol import Protocol
from answerspace.evaluation.results import InstructionScore
from answerspace.evaluation.scores import (
    Groups,
    Numbers,
    Score,
    average_precision,
    from_draws,
    harmonic_mean,
    movement,
    over_seeds,
    pair_spearman,
    reciprocal_rank,
    resampled,
    triplet_success,
    v_draws,
    v_measures,
)
from answerspace.evaluation.tasks.content import (
    Clusters,
    Content,
    Pairs,
    Rankings,
    Similarity,
    Triplets,
    Wordings,
)
from answerspace.evaluation.vectors import Vectors
from answerspace.similarity import cosine, unit_rows

Progress = Callable[[str, int, int], None]  # what is done, how much of it, out of how much


@dataclass(frozen=True)
class Judged:
    """``measures`` (the first is the main one), their bootstrap ``draws``, values per k-means seed, per instruction."""

    measures: dict[str, Score]
    draws: dict[str, Numbers] = field(default_factory=dict)
    seeds: dict[str, list[float]] = field(default_factory=dict)
    instructions: list[InstructionScore] = field(default_factory=list)
    texts: int = 0


@dataclass(frozen=True)
class Bench:
    """What every judge needs: who is asked, how, and where k-means runs are kept."""

    vectors: Vectors
    protocol: Protocol
    clusterings: Clusterings
    show: Progress = lambda what, done, total: None

    def ask(self, texts: list[str], question: str) -> Array:
        """(n, d) vectors, as they are compared by cosine."""
        return self.ask_many(texts, [question])[0]

    def ask_many(self, texts: list[str], questions: list[str]) -> list[Array]:
        """(n, d) vectors per question."""
        count = self._counter("texts", len(set(texts)) * (1 if self.vectors.blind else len(set(questions))))
        return self.vectors.ask_many(texts, questions, count)

    def ask_each(self, texts: list[str], questions: list[str]) -> Iterator[Array]:
        """(n, d) vectors, one question after the other."""
        count = self._counter("texts", len(set(texts)) * (1 if self.vectors.blind else len(set(questions))))
        return self.vectors.ask_each(texts, questions, count)

    def ask_paired(self, texts: list[str], questions: list[str]) -> Array:
        """(n, d) vectors, text i under question i."""
        return self.vectors.ask_paired(
            texts, questions, self._counter("texts", len(set(zip(texts, questions, strict=True))))
        )

    def centred(self, texts: list[str], vectors: Array) -> Array:
        """The vectors, with the mean over distinct texts taken out where the protocol says so."""
        if not self.protocol.centre:
            return vectors
        rows = unit_rows(vectors)
        first = sorted({text: i for i, text in enumerate(texts)}.values())
        return unit_rows(rows - rows[first].mean(0))

    def runs(self, space: Array, clusters: int, advance: Callable[[int], None] | None = None) -> np.ndarray:
        """(S, n) cluster numbers of a space; ``advance`` counts them among others."""
        count = advance or self._counter("k-means runs", len(self.protocol.run_seeds))
        space = clustering_space(space) if self.protocol.centre else space
        return self.clusterings.labels(space, clusters, self.protocol, lambda: count(1))

    def all_runs(self, spaces: Iterable[Array], number: int, clusters: int) -> list[np.ndarray]:
        """(S, n) cluster numbers of each of ``number`` spaces."""
        count = self._counter("k-means runs", number * len(self.protocol.run_seeds))
        return [self.runs(space, clusters, count) for space in spaces]

    def _counter(self, what: str, total: int) -> Callable[[int], None]:
        done = 0

        def advance(n: int) -> None:
            nonlocal done
            done += n
            self.show(what, done, total)

        self.show(what, 0, total)
        return advance


def judge(kind: str, content: Content, bench: Bench, key: str) -> Judged:
    """The measures of one encoder on one task's content; ``key`` names the texts, so that draws are shared."""
    if isinstance(content, Wordings):
        return judge_wordings(content, bench, key)
    if isinstance(content, Pairs):
        return judge_pairs(content, bench, key)
    if isinstance(content, Similarity):
        return judge_similarity(content, bench, key)
    if isinstance(content, Rankings):
        return judge_rankings(content, bench, key)
    triplets = [one for one in content if isinstance(one, Triplets)]
    if triplets:
        return judge_triplets(triplets, bench, key)
    sets = [one for one in content if isinstance(one, Clusters)]
    return judge_criteria(sets, bench, key) if kind == "criteria" else judge_clusters(sets, bench, key)


def judge_clusters(sets: list[Clusters], bench: Bench, key: str) -> Judged:
    """V-measure, the mean over the sets."""
    values, draws = [], []
    for one in sets:
        gold = _numbers(one.labels)
        labels = bench.runs(bench.ask(one.texts, one.question), int(gold.max()) + 1)
        values.append(v_measures(gold, labels))
        draws.append(v_draws(gold, labels, key, bench.protocol.resamples))
    mean = np.mean(values, axis=0)
    return Judged(
        {"v_measure": over_seeds(mean)},
        {"v_measure": np.mean(draws, axis=0)},
        {"v_measure": mean.tolist()},
        texts=sum(len(set(one.texts)) for one in sets),
    )


def judge_criteria(sets: list[Clusters], bench: Bench, key: str) -> Judged:
    """Several criteria of one corpus: harmonic and arithmetic mean of their V-measures, and how the space moves."""
    texts = sets[0].texts
    spaces = bench.ask_many(texts, [one.question for one in sets])
    values, draws = {}, {}
    for one, space in zip(sets, spaces, strict=True):
        gold = _numbers(one.labels)
        labels = bench.runs(space, int(gold.max()) + 1)
        values[one.name] = v_measures(gold, labels)
        draws[one.name] = v_draws(gold, labels, key, bench.protocol.resamples)
    by_seed = np.array(list(values.values())).T  # (S, criteria)
    seeds = {
        "harmonic_mean": np.array([100 * harmonic_mean(*(row / 100)) for row in by_seed]),
        "arithmetic_mean": by_seed.mean(1),
    }
    moved = movement([bench.centred(texts, space) for space in spaces])
    measures = {name: over_seeds(one) for name, one in seeds.items()}
    measures["movement"] = _exact(moved, "all pairs of questions")
    measures |= {f"v {name}": over_seeds(one) for name, one in values.items()}
    drawn = np.array(list(draws.values())).T
    return Judged(
        measures,
        {
            "harmonic_mean": np.array([100 * harmonic_mean(*(row / 100)) for row in drawn]),
            "arithmetic_mean": drawn.mean(1),
        },
        {name: one.tolist() for name, one in (seeds | {f"v {name}": one for name, one in values.items()}).items()},
        texts=len(set(texts)),
    )


def judge_wordings(content: Wordings, bench: Bench, key: str) -> Judged:
    """V-measure under every instruction of a list, both definitions of the deltas, and what paraphrasing costs."""
    clusters = content.clusters
    gold = _numbers(clusters.labels)
    spaces = bench.ask_each(clusters.texts, [instruction for instruction, _ in content.instructions])
    often = replace(bench, protocol=bench.protocol.for_wordings)
    runs = often.all_runs(spaces, len(content.instructions), int(gold.max()) + 1)
    scored = [
        InstructionScore(instruction, kind, v_measures(gold, labels).tolist())
        for (instruction, kind), labels in zip(content.instructions, runs, strict=True)
    ]
    by_kind = {
        kind: np.array([np.mean(one.values) for one in scored if one.kind == kind])
        for kind in ("original", "correct", "implicit", "incorrect")
    }
    original, correct, implicit, incorrect = by_kind.values()
    what = f"{len(correct)}, {len(implicit)} and {len(incorrect)} instructions"
    rows = {kind: list(resampled(len(v), f"{key} {kind}", bench.protocol.resamples)) for kind, v in by_kind.items()}
    means = {kind: np.array([by_kind[kind][r].mean() for r in rows[kind]]) for kind in by_kind}
    deltas = {
        "delta_correct": (correct.mean() - incorrect.mean(), means["correct"] - means["incorrect"]),
        "delta_implicit": (implicit.mean() - incorrect.mean(), means["implicit"] - means["incorrect"]),
        "wording_drop": (original.mean() - correct.mean(), original.mean() - means["correct"]),
    }
    measures = {name: from_draws(float(value), draws, what) for name, (value, draws) in deltas.items()}
    extremes = {
        "delta_correct_min_max": correct.min() - incorrect.max(),
        "delta_implicit_min_max": implicit.min() - incorrect.max(),
    }
    authors = {name: _exact(float(value), "smallest minus largest") for name, value in extremes.items()}
    measures = authors | measures if bench.protocol.delta == "min-max" else measures | authors
    for kind, values in by_kind.items():
        if kind == "original":
            measures["v_original"] = over_seeds(np.array(scored[0].values))
        else:
            spread = f"smallest and largest of {len(values)} instructions"
            measures[f"v_{kind}"] = Score(float(values.mean()), float(values.min()), float(values.max()), spread)
    return Judged(
        measures,
        {name: draws for name, (_, draws) in deltas.items()},
        {"v_original": scored[0].values},
        scored,
        len(set(clusters.texts)),
    )


def judge_triplets(tasks: list[Triplets], bench: Bench, key: str) -> Judged:
    """The success rate of every question and their harmonic mean; items of one group are drawn together."""
    groups = sorted({name for task in tasks for name in task.groups})
    place = {name: i for i, name in enumerate(groups)}
    wins, sizes = np.zeros((len(tasks), len(groups))), np.zeros((len(tasks), len(groups)))
    texts: set[str] = set()
    for number, task in enumerate(tasks):
        shown = task.anchors + task.positives + task.negatives
        texts |= set(shown)
        vectors = bench.centred(shown, bench.ask(shown, task.question))
        success = triplet_success(*np.split(vectors, 3))
        where = [place[name] for name in task.groups]
        np.add.at(wins[number], where, success)
        np.add.at(sizes[number], where, 1)

    def rates(rows: np.ndarray) -> Numbers:
        return np.asarray(wins[:, rows].sum(1) / np.maximum(sizes[:, rows].sum(1), 1))

    drawn = np.array([rates(rows) for rows in resampled(len(groups), key, bench.protocol.resamples)])  # (R, tasks)
    plain = rates(np.arange(len(groups)))
    draws = {"harmonic_mean": np.array([100 * harmonic_mean(*row) for row in drawn])}
    values = {"harmonic_mean": 100 * harmonic_mean(*plain)}
    for task, rate, column in zip(tasks, plain, drawn.T, strict=True):
        values[task.name], draws[task.name] = 100 * float(rate), 100 * column
    measures = {name: from_draws(value, draws[name], f"{len(groups)} items") for name, value in values.items()}
    return Judged(measures, draws, texts=len(texts))


def judge_pairs(content: Pairs, bench: Bench, key: str) -> Judged:
    """Spearman correlation of the cosines with the ratings. A question has a few texts only: nothing is centred."""
    sides = bench.ask_paired(content.first + content.second, content.questions * 2)
    cosines = cosine(*np.split(sides, 2))
    judged = _spearman(cosines, np.array(content.ratings), Groups(content.groups), bench, key, "pairs")
    return Judged(judged.measures, judged.draws, texts=len(set(content.first + content.second)))


def judge_similarity(content: Similarity, bench: Bench, key: str) -> Judged:
    """Spearman correlation of the cosines with people's ratings."""
    texts = content.first + content.second
    left, right = np.split(bench.centred(texts, bench.ask(texts, content.question)), 2)
    groups = Groups([str(i) for i in range(len(content.first))])
    judged = _spearman(cosine(left, right), np.array(content.ratings), groups, bench, key, "pairs")
    return Judged(judged.measures, judged.draws, texts=len(set(texts)))


def judge_rankings(content: Rankings, bench: Bench, key: str) -> Judged:
    """Mean average precision and mean reciprocal rank; a query of several parts takes the best cosine of any."""
    rows = [*content.queries, *content.positives, *content.negatives]
    texts = [text for row in rows for text in row]
    vectors = unit_rows(bench.centred(texts, bench.ask(texts, content.question)))
    ends = np.cumsum([len(row) for row in rows])[:-1]
    parts = np.split(vectors, ends)
    n = len(content.queries)
    found = {"map": np.zeros(n), "mrr": np.zeros(n)}
    for i in range(n):
        candidates = np.concatenate([parts[n + i], parts[2 * n + i]])
        relevant = np.arange(len(candidates)) < len(parts[n + i])
        scores = (candidates @ parts[i].T).max(1)
        found["map"][i] = 100 * average_precision(relevant, scores)
        found["mrr"][i] = 100 * reciprocal_rank(relevant, scores)
    drawn = list(resampled(n, key, bench.protocol.resamples))
    draws = {name: np.array([values[rows].mean() for rows in drawn]) for name, values in found.items()}
    measures = {name: from_draws(float(values.mean()), draws[name], f"{n:,} queries") for name, values in found.items()}
    return Judged(measures, draws, texts=len(set(texts)))


def _spearman(cosines: Array, ratings: Numbers, groups: Groups, bench: Bench, key: str, what: str) -> Judged:
    drawn = []
    for chosen in resampled(len(groups), key, bench.protocol.resamples):
        rows = groups.items(chosen)
        drawn.append(pair_spearman(cosines[rows], ratings[rows]))
    draws = np.array(drawn)
    score = from_draws(pair_spearman(cosines, ratings), draws, f"{len(groups):,} {what}")
    return Judged({"spearman": score}, {"spearman": draws})


def _numbers(labels: list[str]) -> np.ndarray:
    return np.asarray(np.unique(np.asarray(labels), return_inverse=True)[1], np.intp)


def _exact(value: float, what: str) -> Score:
    """A score without a range."""
    return Score(value, value, value, what)
