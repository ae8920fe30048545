"""Selectors against everything that can be measured without training: one call, one table, one JSON file.

Category retrieval on NIV2 (seen and unseen categories), agreement with the authors' lists, the RoE oracle with and
without a prior, TaskWeb. Every number comes with a 95 % bootstrap interval over its targets. What was computed is
kept by selector in the output folder, so a stopped run goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from answerspace.errors import InputError
from answerspace.evaluation.scores import Score, bootstrap, from_draws
from answerspace.task_selection.category_retrieval import RetrievalCase, retrieval_cases, run_retrieval
from answerspace.task_selection.instruction_vectors import InstructionEncoder, KeptVectors
from answerspace.task_selection.measured_transfers import (
    PRIORS,
    MeasuredTransfers,
    judge_transfers,
    listed_scores,
    read_multitask,
    read_roe,
    read_taskweb,
    run_multitask,
    run_transfers,
)
from answerspace.task_selection.published_lists import (
    PublishedLists,
    published_lists,
    read_published_lists,
    run_published,
)
from answerspace.task_selection.ranking import SelectionRecipe, recipe_named
from answerspace.task_selection.task_pool import PoolTask, pool_rows, read_pool, template_tasks

Numbers = npt.NDArray[np.float64]
Scores = dict[str, dict[str, Score]]  # selector -> measure -> score
RANDOM = "random"
RANDOM_DRAWS = 200
PARTS = ("niv2", "lists", "roe", "taskweb")


@dataclass(frozen=True)
class Benchmark:
    """Everything read from the data folder."""

    retrieval: list[RetrievalCase]
    lists: list[PublishedLists]
    roe: MeasuredTransfers
    taskweb: MeasuredTransfers
    multitask: dict[str, dict[str, float]]
    templates: dict[str, PoolTask]
    roe_lists: dict[str, list[list[str]]]


@dataclass(frozen=True)
class Selector:
    """An encoder under a recipe. ``make`` is called when its turn comes."""

    name: str
    make: Callable[[], InstructionEncoder]
    recipe: SelectionRecipe


def read_benchmark(folder: str | Path) -> Benchmark:
    """The folder with niv2_tasks.jsonl, p3_templates.jsonl, bbh_tasks.jsonl and the measured transfers."""
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"--data must be a folder. Got {str(folder)!r}.")
    templates = {task.name: task for task in template_tasks(pool_rows(root / "p3_templates.jsonl"))}
    niv2 = {s: read_pool(root / "niv2_tasks.jsonl", where={"split_default": s}) for s in ("train", "test")}
    bbh = read_pool(root / "bbh_tasks.jsonl")
    roe = read_roe(root, templates)
    published = published_lists(root)["p3"]
    return Benchmark(
        retrieval_cases(niv2["train"], niv2["test"]),
        read_published_lists(root, templates, niv2["train"], niv2["test"], bbh, roe.sources),
        roe,
        read_taskweb(root, templates),
        read_multitask(root),
        templates,
        {f"the authors' list, {version}": list(published[version].values()) for version in ("insta", "insta_aligned")},
    )


def selectors_named(
    names: Sequence[str], make: Callable[[str], InstructionEncoder], default_recipe: str = "answerspace"
) -> list[Selector]:
    """Selectors of names like ``bundled`` or ``bundled/insta``: an encoder, and after a slash-slash a recipe.

    The recipe stands after the last ``@``: ``bundled@insta``, ``st:folder@answerspace``.
    """
    found = []
    for name in names:
        encoder, at, recipe = name.rpartition("@")
        encoder, recipe = (encoder, recipe) if at else (name, default_recipe)
        found.append(Selector(f"{encoder}@{recipe}", lambda e=encoder: make(e), recipe_named(recipe)))  # type: ignore[misc]
    return found


def run_benchmark(
    benchmark: Benchmark,
    selectors: Sequence[Selector],
    *,
    parts: Sequence[str] = PARTS,
    keep: Path | None = None,
    tell: Callable[[str], None] = lambda note: None,
) -> Scores:
    """Scores of the selectors, the authors' lists and random picks. ``keep`` is a folder for finished parts."""
    scores: Scores = {}
    for selector in selectors:
        encode: InstructionEncoder | None = None
        scores[selector.name] = {}
        for part in parts:
            kept = _kept(keep, selector, part)
            if kept is not None and kept.exists():
                values = {name: np.array(v) for name, v in json.loads(kept.read_text(encoding="utf-8")).items()}
            else:
                encode = encode or KeptVectors(selector.make())
                values = run_part(benchmark, part, encode, selector.recipe)
                if kept is not None:
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    kept.write_text(json.dumps({name: v.tolist() for name, v in values.items()}), encoding="utf-8")
            scores[selector.name] |= {name: over_targets(v) for name, v in values.items()}
            tell(f"{selector.name}: {part} done")
    if "roe" in parts:
        for name, picks in benchmark.roe_lists.items():
            judged = judge_transfers(benchmark.roe, listed_scores(benchmark.roe, picks))
            kept_measures = ("percentile of the 5 picks", "hits among the best 5")
            scores[name] = {f"RoE, {m}": over_targets(judged[m]) for m in kept_measures}
    scores[RANDOM] = {name: over_targets(v) for name, v in random_parts(benchmark, parts).items()}
    return scores


def run_part(
    benchmark: Benchmark, part: str, encode: InstructionEncoder, recipe: SelectionRecipe
) -> dict[str, Numbers]:
    """A number per target for every measure of one part."""
    if part == "niv2":
        return {
            f"NIV2 {case.name}, {name}": values
            for case in benchmark.retrieval
            for name, values in run_retrieval(case, encode, recipe).items()
        }
    if part == "lists":
        return {f"overlap at {one.k}, {one.name}": run_published(one, encode, recipe) for one in benchmark.lists}
    measured = benchmark.roe if part == "roe" else benchmark.taskweb
    label = "RoE" if part == "roe" else "TaskWeb"
    found: dict[str, Numbers] = {}
    for prior, values in run_transfers(measured, encode, recipe, PRIORS).items():
        said = "" if prior == "none" else f", prior ({prior})"
        found |= {f"{label}{said}, {name}": numbers for name, numbers in values.items()}
    if part == "taskweb":
        found["TaskWeb, T5-XL sets put in the right order"] = run_multitask(
            benchmark.multitask, benchmark.templates, encode, recipe
        )
    return found


def random_parts(benchmark: Benchmark, parts: Sequence[str], seed: int = 0) -> dict[str, Numbers]:
    """What random scores get, as means over draws per target, and what the prior gets alone."""
    rng = np.random.default_rng(seed)
    found: dict[str, Numbers] = {}
    for part, measured in (("roe", benchmark.roe), ("taskweb", benchmark.taskweb)):
        if part not in parts:
            continue
        label = "RoE" if part == "roe" else "TaskWeb"
        draws = [
            judge_transfers(
                measured, [rng.standard_normal(len(measured.allowed(i))) for i in range(len(measured.targets))]
            )
            for _ in range(RANDOM_DRAWS)
        ]
        for name in draws[0]:
            found[f"{label}, {name}"] = np.mean([draw[name] for draw in draws], 0)
        for prior in PRIORS[1:]:
            alone = [measured.prior(i, prior) for i in range(len(measured.targets))]
            judged = judge_transfers(measured, [one for one in alone if one is not None])
            found |= {f"{label}, prior ({prior}), {name}": values for name, values in judged.items()}
    return found


def over_targets(values: Numbers) -> Score:
    """Mean x 100 with the bootstrap interval over targets."""
    value, draws = bootstrap(lambda rows: 100 * float(values[rows].mean()), len(values), key="targets")
    return from_draws(value, draws, f"{len(values)} targets")


def benchmark_table(scores: Mapping[str, Mapping[str, Score]]) -> str:
    """A Markdown table: measures down, selectors across; all times 100."""
    measures = list(dict.fromkeys(measure for one in scores.values() for measure in one))
    lines = ["| | " + " | ".join(scores) + " |", "|---" * (len(scores) + 1) + "|"]
    for measure in measures:
        cells = [str(one[measure]) if measure in one else "-" for one in scores.values()]
        lines.append(f"| {measure} | " + " | ".join(cells) + " |")
    note = "All numbers are times 100; in brackets 95 % bootstrap intervals over targets."
    return "\n".join([*lines, "", f"{note} Rows with a prior under `{RANDOM}` are the prior alone."]) + "\n"


def write_benchmark(scores: Scores, folder: Path) -> list[Path]:
    """Write ``selection.md`` and ``selection.json``; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    markdown, machine = folder / "selection.md", folder / "selection.json"
    markdown.write_text(f"# Task selection\n\n{benchmark_table(scores)}", encoding="utf-8")
    plain = {name: {m: asdict(score) for m, score in one.items()} for name, one in scores.items()}
    machine.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    return [markdown, machine]


def _kept(folder: Path | None, selector: Selector, part: str) -> Path | None:
    if folder is None:
        return None
    safe = "".join(c if c.isalnum() or c in "@-" else "_" for c in selector.name)
    return folder / ".work" / f"{safe}.{part}.json"
