"""Encoders under the instruction tests, and the tables that show them: ICT, ICT de-duplicated, IIS, IIS-hard."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from answerspace.answers import Array
from answerspace.errors import InputError
from answerspace.instructions.benchmark import Benchmark, IntentPair, Labelled, distinct_texts
from answerspace.instructions.task_scores import Scores, ict_scores, pair_scores
from answerspace.protocols import Encoder
from answerspace.similarity import cosine

Make = Callable[[], Encoder]
Run = dict[str, dict[str, Scores]]  # encoder -> test -> score

QUESTION = "What task does this instruction ask for?"
TESTS = ("ict", "ict de-duplicated", "iis", "iis-hard")
SHOWN = {
    "ict": ("ari", "purity", "homogeneity", "v", "silhouette", "silhouette gold"),
    "ict de-duplicated": ("ari", "purity", "homogeneity", "v", "silhouette", "silhouette gold"),
    "iis": ("spearman", "auc"),
    "iis-hard": ("spearman", "auc"),
}


def evaluate_instructions(
    encoders: Mapping[str, Make],
    benchmark: Benchmark,
    *,
    tests: Sequence[str] = TESTS,
    seeds: int = 10,
    done: Run | None = None,
    keep: Callable[[Run], None] = lambda run: None,
    tell: Callable[[str], None] = lambda note: None,
) -> Run:
    """Scores by encoder and test. ``done`` holds results to go on from; ``keep`` gets all results after each test."""
    for test in tests:
        if test not in TESTS:
            raise InputError(f"--test must be one of {', '.join(TESTS)}. Got {test!r}.")
    run: Run = {name: dict(found) for name, found in (done or {}).items()}
    hard = benchmark.hard_pairs() if "iis-hard" in tests else []
    for name, make in encoders.items():
        missing = [test for test in tests if test not in run.get(name, {})]
        if not missing:
            continue
        encoder = make()
        for test in missing:
            start = time.perf_counter()
            run.setdefault(name, {})[test] = _scores(encoder, benchmark, test, hard, seeds)
            tell(f"{name}, {test}: scored in {time.perf_counter() - start:.0f} s")
            keep(run)
    return run


def _scores(encoder: Encoder, benchmark: Benchmark, test: str, hard: Sequence[IntentPair], seeds: int) -> Scores:
    if test.startswith("ict"):
        rows: Sequence[Labelled] = benchmark.eft if test == "ict" else distinct_texts(benchmark.eft)
        return ict_scores(_vectors(encoder, [row.text for row in rows]), [row.label for row in rows], seeds=seeds)
    pairs = benchmark.iis if test == "iis" else hard
    vectors = _vectors(encoder, [text for pair in pairs for text in (pair.first, pair.second)])
    return pair_scores(cosine(vectors[::2], vectors[1::2]), [pair.same for pair in pairs])


def _vectors(encoder: Encoder, texts: Sequence[str]) -> Array:
    """(n, d) vectors; equal texts are encoded once, all in one call."""
    distinct = list(dict.fromkeys(texts))
    place = {text: i for i, text in enumerate(distinct)}
    return np.asarray(encoder.encode(distinct, instruction=QUESTION), np.float32)[[place[text] for text in texts]]


# --- tables ------------------------------------------------------------------------------------------------------


def score_tables(run: Run) -> str:
    """Markdown: one table a test, a row an encoder."""
    parts = []
    for test in TESTS:
        rows = {name: scores[test] for name, scores in run.items() if test in scores}
        if not rows:
            continue
        columns = SHOWN[test]
        cap = next((f" (Spearman is at most {s['cap']:.3f} here)" for s in rows.values() if "cap" in s), "")
        lines = [f"**{test}**{cap}", "", f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
        for name, scores in rows.items():
            cells = [f"{scores[column]:.3f}" for column in columns]
            if "ari sd" in scores:
                cells[0] += f" ± {scores['ari sd']:.3f}"
            lines.append(f"| {name} | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def read_run(path: Path) -> Run:
    """A run kept by ``write_run``; nothing when there is none."""
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["scores"])
    except (ValueError, KeyError) as error:
        raise InputError(f"{path} must hold scores written by this command. Got: {error}.") from None


def write_run(run: Run, path: Path, facts: Mapping[str, str]) -> None:
    """Write scores and facts as JSON, and the tables beside it as Markdown."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"facts": dict(facts), "scores": run}, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(score_tables(run), encoding="utf-8")
