"""Scores of several encoders as one table: measures down, encoders across."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from answerspace.evaluation.scores import Score

Scores = Mapping[str, Mapping[str, Score]]  # encoder -> measure -> score


def report_table(scores: Scores) -> str:
    """A Markdown table with every encoder and measure, and below it what the ranges in brackets are."""
    measures = list(dict.fromkeys(measure for one in scores.values() for measure in one))
    rows = [["", *scores]]
    for measure in measures:
        rows.append([measure, *(str(one[measure]) if measure in one else "-" for one in scores.values())])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    spreads: dict[str, list[str]] = {}
    for one in scores.values():
        for measure, score in one.items():
            kept = spreads.setdefault(score.spread, [])
            if measure not in kept:
                kept.append(measure)
    notes = [f"- {', '.join(measures)}: {spread}." for spread, measures in spreads.items()]
    return "\n".join([*lines, "", "All scores are times 100; in brackets:", *notes]) + "\n"


def write_table(scores: Scores, facts: Mapping[str, str], folder: Path) -> list[Path]:
    """Write ``scores.md`` and ``scores.json`` to the folder and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    markdown, machine = folder / "scores.md", folder / "scores.json"
    header = "".join(f"{name}: {value}  \n" for name, value in facts.items())
    markdown.write_text(f"# Scores\n\n{header}\n{report_table(scores)}", encoding="utf-8")
    plain = {name: {measure: asdict(score) for measure, score in one.items()} for name, one in scores.items()}
    machine.write_text(json.dumps({"facts": dict(facts), "scores": plain}, indent=1) + "\n", encoding="utf-8")
    return [markdown, machine]
