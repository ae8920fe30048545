"""Numbers over several tasks: the means of a suite, the paper's averages, what is kept of all-MiniLM's quality.

A summary is made from the same seeds and draws as the tasks it covers, so its spread is that of the mean itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from answerspace.evaluation.judging import Judged
from answerspace.evaluation.results import Summary
from answerspace.evaluation.scores import Numbers, Score, from_draws, harmonic_mean, over_seeds
from answerspace.evaluation.tasks.inbedder import NYT
from answerspace.evaluation.tasks.task import Task

ALL = "all"
CALLED = {"clustering": "criteria", "lists": "criteria", "criteria": "corpora"}  # the tasks of a kind, else "tasks"
WORDING = ("delta_correct", "delta_implicit", "wording_drop", "delta_correct_min_max", "delta_implicit_min_max")
GENERIC_TASKS = ("reranking", "clustering")

Found = Mapping[str, Judged]  # task -> what one encoder got on it


@dataclass(frozen=True)
class Drawn:
    """A summary and the draws that it is compared by."""

    summary: Summary
    draws: Numbers | None


def summarise(encoder: str, tasks: Sequence[Task], found: Found, reference: Found | None) -> list[Drawn]:
    """Every summary that the finished tasks allow; a suite with one task of a kind has no mean over it.

    ``reference`` is what all-MiniLM alone got, where it is in the run: the 100 % of generic quality.
    """
    made: list[Drawn] = []
    suites = list(dict.fromkeys(task.suite for task in tasks))
    for suite in suites:
        own = [task for task in tasks if task.suite == suite]
        done = [task for task in own if task.name in found]
        if len(done) < len(own):
            continue
        made += _means(suite, encoder, done, found)
        if suite in SPECIAL:
            made += SPECIAL[suite](encoder, done, found, reference)
    lists = [task for task in tasks if task.kind == "lists"]
    if len({task.suite for task in lists}) > 1 and all(task.name in found for task in lists):
        made += [_mean(ALL, f"mean {measure}{_share(lists)}", encoder, lists, found, measure) for measure in WORDING]
    return made


def _means(suite: str, encoder: str, tasks: Sequence[Task], found: Found) -> list[Drawn]:
    made = []
    for kind, measures in KIND_MEANS.items():
        of_kind = [task for task in tasks if task.kind == kind]
        if len(of_kind) > 1 and suite not in ("awareness", "generic"):
            share = _share(of_kind)
            made += [
                _mean(suite, _mean_name(measure) + share, encoder, of_kind, found, measure) for measure in measures
            ]
    return made


KIND_MEANS: dict[str, tuple[str, ...]] = {
    "clustering": ("v_measure",),
    "lists": WORDING,
    "criteria": ("harmonic_mean", "arithmetic_mean", "movement"),
    "reranking": ("map",),
}


def _mean(suite: str, name: str, encoder: str, tasks: Sequence[Task], found: Found, measure: str) -> Drawn:
    ones = [found[task.name] for task in tasks]
    names = [task.name for task in tasks]
    value = float(np.mean([one.measures[measure].value for one in ones]))
    draws = None
    if all(measure in one.draws for one in ones):
        draws = np.mean([one.draws[measure] for one in ones], axis=0)
    if all(measure in one.seeds for one in ones):
        score = over_seeds(np.mean([one.seeds[measure] for one in ones], axis=0))
    elif draws is not None:
        score = from_draws(value, draws, "the items of each task")
    else:
        score = Score(value, value, value, f"mean of {len(ones)} tasks")
    return Drawn(Summary(suite, name, encoder, score, names), draws)


def _mean_name(measure: str) -> str:
    return "mean V" if measure == "v_measure" else f"mean {measure}"


def _share(tasks: Sequence[Task]) -> str:
    """Such as " of 5 of 13 criteria" where these are some of a kind; "" where they are all of it."""
    by_suite: dict[str, list[Task]] = {}
    for task in tasks:
        by_suite.setdefault(task.suite, []).append(task)
    whole = sum(own[0].alike or len(own) for own in by_suite.values())
    return "" if whole == len(tasks) else f" of {len(tasks)} of {whole} {CALLED.get(tasks[0].kind, 'tasks')}"


# --- suites with averages of their own ---------------------------------------------------------------------------


def _awareness(encoder: str, tasks: Sequence[Task], found: Found, reference: Found | None) -> list[Drawn]:
    """The paper's NYT (harmonic mean of topic and location) and its average over the three tests, where all are run."""
    if any(task.alike for task in tasks):
        return []
    topic, location = (found[name] for name in NYT)
    pairs = zip(topic.seeds["v_measure"], location.seeds["v_measure"], strict=True)
    by_seed = np.array([100 * harmonic_mean(a / 100, b / 100) for a, b in pairs])
    nyt_draws = np.array(
        [
            100 * harmonic_mean(a / 100, b / 100)
            for a, b in zip(topic.draws["v_measure"], location.draws["v_measure"], strict=True)
        ]
    )
    nyt = Drawn(Summary("awareness", "NYT", encoder, over_seeds(by_seed), list(NYT)), nyt_draws)
    others = [found["InstructSTSB"], found["IntentEmotion"]]
    value = float(np.mean([nyt.summary.score.value, *(one.measures[_main(one)].value for one in others)]))
    draws = np.mean([nyt_draws, *(one.draws[_main(one)] for one in others)], axis=0)
    score = from_draws(value, draws, "the items of each task")
    return [nyt, Drawn(Summary("awareness", "average", encoder, score, [task.name for task in tasks]), draws)]


def _generic(encoder: str, tasks: Sequence[Task], found: Found, reference: Found | None) -> list[Drawn]:
    """The paper's average over the four generic tests, where all are run."""
    if any(task.alike for task in tasks):
        return []
    ones = [found[task.name] for task in tasks]
    draws = np.mean([one.draws[_main(one)] for one in ones], axis=0)
    value = float(np.mean([one.measures[_main(one)].value for one in ones]))
    score = from_draws(value, draws, "the items of each task")
    return [Drawn(Summary("generic", "average", encoder, score, [task.name for task in tasks]), draws)]


def _retention(encoder: str, tasks: Sequence[Task], found: Found, reference: Found | None) -> list[Drawn]:
    """Mean V of the topics and Spearman on STS-B as a share of all-MiniLM's, which is 100 %."""
    if reference is None or any(task.name not in reference for task in tasks):
        return []
    made = []
    for kind, measure, name in (("clustering", "v_measure", "V kept"), ("similarity", "spearman", "STS-B kept")):
        ones = [task for task in tasks if task.kind == kind]
        if not ones:
            continue
        names = [task.name for task in ones]
        ours = float(np.mean([found[one].measures[measure].value for one in names]))
        theirs = float(np.mean([reference[one].measures[measure].value for one in names]))
        if theirs <= 0:  # a share of nothing is no number
            continue
        draws = np.mean([found[one].draws[measure] for one in names], axis=0)
        whole = np.mean([reference[one].draws[measure] for one in names], axis=0)
        draws = 100 * draws / np.where(whole == 0, theirs, whole)
        score = from_draws(100 * ours / theirs, draws, "the items of each task, in per cent of all-MiniLM alone")
        made.append(
            Drawn(Summary("generic-local", f"{name}{_share(ones)}, % of all-MiniLM", encoder, score, names), draws)
        )
    return made


SPECIAL: dict[str, Callable[[str, Sequence[Task], Found, Found | None], list[Drawn]]] = {
    "awareness": _awareness,
    "generic": _generic,
    "generic-local": _retention,
}


def _main(judged: Judged) -> str:
    return next(iter(judged.measures))
