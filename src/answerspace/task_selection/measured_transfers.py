"""Selectors against transfers that were measured: RoE's oracle order and TaskWeb.

RoE (arXiv 2302.03202): 113 prompts of 11 held-out sets order 296 single-prompt T5-3B experts. A set's worth for a
target is the mean percentile of its experts over the target's prompts; 1 is best. TaskWeb (arXiv 2305.13256): scores
of 21 targets after training on each of 22 sources, in nine settings.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from answerspace.errors import InputError
from answerspace.evaluation.scores import pair_spearman
from answerspace.task_selection.instruction_vectors import InstructionEncoder
from answerspace.task_selection.ranking import InstructionSpace, SelectionRecipe, joined
from answerspace.task_selection.selection_measures import ndcg, overlap, percentiles
from answerspace.task_selection.task_pool import PoolTask

Numbers = npt.NDArray[np.float64]
K = 5
PRIORS = ("none", "target out", "cluster out")

# target -> (its RoE data sets, its promptsource path, the cluster it belongs to)
ROE_TARGETS = {
    "anli": (("anli_dev_r1", "anli_dev_r2", "anli_dev_r3"), "anli", "inference"),
    "cb": (("super_glue/cb",), "super_glue/cb", "inference"),
    "copa": (("super_glue/copa",), "super_glue/copa", "completion"),
    "hella": (("hellaswag",), "hellaswag", "completion"),
    "rte": (("super_glue/rte",), "super_glue/rte", "inference"),
    "story": (("story_cloze/2016",), "story_cloze/2016", "completion"),
    "wic": (("super_glue/wic",), "super_glue/wic", "word sense"),
    "wino": (("winogrande/winogrande_xl",), "winogrande/winogrande_xl", "coreference"),
    "wsc": (("super_glue/wsc.fixed",), "super_glue/wsc.fixed", "coreference"),
}
NOT_IN_T0 = {"commonsense_qa"}  # an expert of RoE that is none of INSTA's 35 sets

# TaskWeb's name -> (promptsource path, kind of task)
TASKWEB_TASKS = {
    "anli_r3": ("anli", "inference"),
    "boolq": ("super_glue/boolq", "question answering"),
    "cb": ("super_glue/cb", "inference"),
    "copa": ("super_glue/copa", "completion"),
    "cosmosqa": ("cosmos_qa", "question answering"),
    "hellaswag": ("hellaswag", "completion"),
    "imdb": ("imdb", "sentiment"),
    "mrpc": ("glue/mrpc", "paraphrase"),
    "piqa": ("piqa", "completion"),
    "qnli": ("glue/qnli", "inference"),
    "qqp": ("glue/qqp", "paraphrase"),
    "quartz": ("quartz", "question answering"),
    "rotten_tomatoes": ("rotten_tomatoes", "sentiment"),
    "rte": ("super_glue/rte", "inference"),
    "scitail": ("scitail/tsv_format", "inference"),
    "snli": ("snli", "inference"),
    "socialiqa": ("social_i_qa", "question answering"),
    "squad_v2": ("squad_v2", "question answering"),
    "sst2": ("glue/sst2", "sentiment"),
    "stsb": ("glue/stsb", "paraphrase"),
    "wic": ("super_glue/wic", "word sense"),
    "winogrande": ("winogrande/winogrande_xl", "coreference"),
    "wsc": ("super_glue/wsc.fixed", "coreference"),
}
MULTITASK_PATHS = {"anli_r1": "anli_r3", "anli_r2": "anli_r3", "story_cloze": "story_cloze/2016"}


@dataclass(frozen=True)
class MeasuredTransfers:
    """Worth of m sources for t targets, a mean percentile from 0 to 1 (best); nan where a pair was not measured.

    ``clusters`` name the kind of each target: a prior may be kept from all targets of the kind.
    """

    name: str
    targets: list[PoolTask]
    sources: list[PoolTask]
    worth: Numbers  # (t, m)
    clusters: list[str]

    def allowed(self, target: int) -> list[int]:
        """The sources measured for a target, itself left out."""
        own = self.targets[target].name
        return [
            j for j in range(len(self.sources)) if self.sources[j].name != own and np.isfinite(self.worth[target, j])
        ]

    def prior(self, target: int, mode: str) -> Numbers | None:
        """(allowed,) mean worth of each source for other targets: without the target, or without its cluster."""
        if mode == "none":
            return None
        others = [
            i
            for i, task in enumerate(self.targets)
            if (
                task.name != self.targets[target].name
                if mode == "target out"
                else self.clusters[i] != self.clusters[target]
            )
        ]
        percent = self.worth[others].copy()
        for row, i in zip(percent, others, strict=True):
            row[[j for j, s in enumerate(self.sources) if s.name == self.targets[i].name]] = np.nan
        counts = np.isfinite(percent).sum(0)
        means = np.nansum(percent, 0) / np.maximum(counts, 1)
        return np.asarray(np.where(counts > 0, means, 0.5)[self.allowed(target)])


def read_roe(folder: Path, templates: Mapping[str, PoolTask]) -> MeasuredTransfers:
    """The oracle of ``roe_oracle_transfer_p3.json`` over INSTA's 35 sets and 9 targets; ``templates`` by path."""
    orders: dict[str, list[str]] = json.loads((folder / "roe_oracle_transfer_p3.json").read_text(encoding="utf-8"))
    sets = sorted({expert.split("@")[0] for order in orders.values() for expert in order} - NOT_IN_T0)
    worth = np.zeros((len(ROE_TARGETS), len(sets)))
    for i, (paths, _, _) in enumerate(ROE_TARGETS.values()):
        rows = []
        for prompt, order in orders.items():
            if prompt.split("@")[0] in paths:
                places = percentiles(order)
                rows.append([np.mean([p for e, p in places.items() if e.split("@")[0] == one]) for one in sets])
        worth[i] = np.mean(rows, 0)
    targets = [_named(name, _templates_of(templates, path)) for name, (_, path, _) in ROE_TARGETS.items()]
    sources = [_templates_of(templates, path) for path in sets]
    return MeasuredTransfers("RoE oracle", targets, sources, worth, [cluster for *_, cluster in ROE_TARGETS.values()])


def read_taskweb(folder: Path, templates: Mapping[str, PoolTask]) -> MeasuredTransfers:
    """``taskweb_transfer.csv``: worth is the mean over settings of a source's percentile for the target."""
    scores: dict[tuple[str, str], dict[str, float]] = {}
    with (folder / "taskweb_transfer.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            scores.setdefault((row["target"], row["setting"]), {})[row["source"]] = float(row["mean_score"])
    names = sorted({target for target, _ in scores})
    sources = sorted({source for one in scores.values() for source in one})
    worth = np.full((len(names), len(sources)), np.nan)
    for i, name in enumerate(names):
        rows = []
        for (target, _), one in scores.items():
            if target == name:
                measured = np.array([one.get(s, np.nan) if s != name else np.nan for s in sources])
                rows.append(_percentiles_of(measured))
        stacked = np.stack(rows)
        counts = np.isfinite(stacked).sum(0)
        worth[i] = np.where(counts > 0, np.nansum(stacked, 0) / np.maximum(counts, 1), np.nan)
    tasks = {name: _named(name, _templates_of(templates, TASKWEB_TASKS[name][0])) for name in {*names, *sources}}
    clusters = [TASKWEB_TASKS[name][1] for name in names]
    return MeasuredTransfers("TaskWeb", [tasks[n] for n in names], [tasks[s] for s in sources], worth, clusters)


def run_transfers(
    measured: MeasuredTransfers, encode: InstructionEncoder, recipe: SelectionRecipe, priors: Sequence[str] = ("none",)
) -> dict[str, dict[str, Numbers]]:
    """By prior and measure a number per target: mean worth of the five picks, hits, Spearman, nDCG@5."""
    space = InstructionSpace([*measured.sources, *measured.targets], encode, recipe)
    parts = [
        space.parts(space.rows_of([len(measured.sources) + i]), measured.allowed(i))
        for i in range(len(measured.targets))
    ]
    return {
        prior: judge_transfers(measured, [joined(one, recipe, measured.prior(i, prior)) for i, one in enumerate(parts)])
        for prior in priors
    }


def judge_transfers(measured: MeasuredTransfers, scores: Sequence[Numbers]) -> dict[str, Numbers]:
    """The measures of ``run_transfers`` for given scores of each target's allowed sources."""
    found: dict[str, list[float]] = {}
    for i, one in enumerate(scores):
        worth = measured.worth[i, measured.allowed(i)]
        order = np.argsort(-one, kind="stable")
        best = np.argsort(-worth, kind="stable")[:K]
        row = {
            "percentile of the 5 picks": float(worth[order[:K]].mean()),
            "hits among the best 5": len(set(order[:K].tolist()) & set(best.tolist())) / K,
            "Spearman": pair_spearman(one, worth) / 100,
            "nDCG@5": ndcg(worth[order], K),
        }
        for name, value in row.items():
            found.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in found.items()}


def listed_scores(measured: MeasuredTransfers, picks: Sequence[Sequence[str]]) -> list[Numbers]:
    """Scores that rank a published list first, in its order; names may be the last or first part of a path."""
    found = []
    for i, names in enumerate(picks):
        allowed = measured.allowed(i)
        score = np.zeros(len(allowed))
        for rank, name in enumerate(names):
            matches = [n for n, j in enumerate(allowed) if published_name(measured.sources[j].name) == name]
            if not matches:
                raise InputError(f"A published pick must be in the pool. Got {name!r}.")
            score[matches[0]] = len(names) - rank
        found.append(score)
    return found


def published_name(path: str) -> str:
    """INSTA's short name of a promptsource path: glue/mrpc -> mrpc, cos_e/v1.11 -> cos_e, social_i_qa -> social_iqa."""
    known = {
        "social_i_qa": "social_iqa",
        "amazon_polarity": "amazon",
        "yelp_review_full": "yelp",
        "dbpedia_14": "dbpedia",
    }
    first, _, last = path.partition("/")
    return known.get(path, last if first == "glue" else first)


# --- TaskWeb's T5-XL sets: would the better of two training sets have been chosen? --------------------------------


def read_multitask(folder: Path) -> dict[str, dict[str, float]]:
    """Mean accuracy of T5-XL by target and training set (source names joined by +)."""
    sets = json.loads((folder / "taskweb_multitask_sets.json").read_text(encoding="utf-8"))
    by_file = {"_".join(names): "+".join(names) for one in sets.values() for names in one.values()}
    sums: dict[tuple[str, str], list[float]] = {}
    with (folder / "taskweb_multitask_t5xl.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            sums.setdefault((row["target"], by_file.get(row["train_set"], row["train_set"])), []).append(
                float(row["accuracy"])
            )
    found: dict[str, dict[str, float]] = {}
    for (target, names), values in sums.items():
        found.setdefault(target, {})[names] = float(np.mean(values))
    return found


def run_multitask(
    accuracies: Mapping[str, Mapping[str, float]],
    templates: Mapping[str, PoolTask],
    encode: InstructionEncoder,
    recipe: SelectionRecipe,
    size: int = K,
) -> Numbers:
    """Per target, the share of pairs of training sets of one size where the set with the higher score did better."""
    sources = sorted(TASKWEB_TASKS)
    tasks = [_named(name, _templates_of(templates, TASKWEB_TASKS[name][0])) for name in sources]
    shares = []
    for target, sets in sorted(accuracies.items()):
        known = MULTITASK_PATHS.get(target, target)
        path = TASKWEB_TASKS[known][0] if known in TASKWEB_TASKS else known
        space = InstructionSpace([*tasks, _named("target", _templates_of(templates, path))], encode, recipe)
        scores = space.scores(len(tasks), list(range(len(tasks))))
        chosen = [names for names in sets if len(names.split("+")) == size]
        worth = [np.mean([scores[sources.index(one)] for one in names.split("+")]) for names in chosen]
        right = [
            float((worth[a] - worth[b]) * (sets[chosen[a]] - sets[chosen[b]]) > 0)
            for a in range(len(chosen))
            for b in range(a)
            if sets[chosen[a]] != sets[chosen[b]]
        ]
        if right:
            shares.append(float(np.mean(right)))
    return np.array(shares)


def _percentiles_of(values: Numbers) -> Numbers:
    """Percentiles 0 to 1 of the finite values, larger is better; nan stays nan."""
    ranks = np.full(len(values), np.nan)
    known = np.isfinite(values)
    found = values[known]
    below = (found[None, :] < found[:, None]).sum(1) + ((found[None, :] == found[:, None]).sum(1) - 1) / 2
    ranks[known] = below / max(1, known.sum() - 1)
    return ranks


def _templates_of(templates: Mapping[str, PoolTask], path: str) -> PoolTask:
    if path not in templates:
        raise InputError(f"p3_templates.jsonl must hold the templates of {path}. Got none.")
    return templates[path]


def _named(name: str, task: PoolTask) -> PoolTask:
    return PoolTask(name, task.instructions, task.category, task.origin, task.answers)


def overlap_share(chosen: Sequence[str], reference: Sequence[str]) -> float:
    """Share of the distinct published picks that were chosen too."""
    return overlap(chosen, reference)
