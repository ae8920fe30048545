"""An evaluation as Markdown, CSV and LaTeX tables: measures down, encoders across, published numbers marked."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from answerspace.answer_store import put_in_place
from answerspace.evaluation.published import SHOWN
from answerspace.evaluation.results import DOCUMENT, Evaluation, to_document
from answerspace.evaluation.scores import Score

MARK = "published: "
BRIEF = {  # measures that a table shows beside the main one; all are in the CSV and the document
    "triplets": ("harmonic_mean", "emotion", "intent"),
    "lists": ("delta_correct", "delta_implicit", "wording_drop"),
    "criteria": ("harmonic_mean", "arithmetic_mean", "movement"),
}
SHORT = {
    "v_measure": "V",
    "harmonic_mean": "harmonic mean",
    "arithmetic_mean": "arithmetic mean",
    "spearman": "Spearman",
    "map": "MAP",
    "delta_correct": "correct - incorrect",
    "delta_implicit": "implicit - incorrect",
    "wording_drop": "original - correct",
    "delta_correct_min_max": "correct - incorrect (min - max)",
    "delta_implicit_min_max": "implicit - incorrect (min - max)",
}


@dataclass(frozen=True)
class Line:
    """One row of a table: a measure of a task or of a suite, its score by encoder and the published values."""

    scope: str
    measure: str
    scores: dict[str, Score]
    published: dict[str, float]

    @property
    def label(self) -> str:
        """As a person reads it."""
        words = self.measure
        for name, short in sorted(SHORT.items(), key=lambda one: -len(one[0])):
            words = words.replace(name, short)
        return f"{self.scope}: {words}"


def lines_of(evaluation: Evaluation, *, brief: bool = True) -> list[Line]:
    """Summaries first, then every task; ``brief`` keeps the measures of BRIEF and the main ones."""
    lines: dict[tuple[str, str], dict[str, Score]] = {}
    for summary in evaluation.summaries:
        lines.setdefault((summary.suite, summary.measure), {})[summary.encoder] = summary.score
    kinds = {task["name"]: task["kind"] for task in evaluation.tasks}
    for result in evaluation.results:
        wanted = BRIEF.get(kinds.get(result.task, ""), ())
        for place, (measure, score) in enumerate(result.measures.items()):
            if not brief or place == 0 or measure in wanted:
                lines.setdefault((result.task, measure), {})[result.encoder] = score
    published: dict[tuple[str, str], dict[str, float]] = {}
    for row in evaluation.published:
        published.setdefault((row.task, row.measure), {})[row.system] = row.value
    return [Line(*key, scores, published.get(key, {})) for key, scores in lines.items()]


def markdown(evaluation: Evaluation) -> str:
    """What was measured, what the ranges are, the same rows beside published numbers, and paired differences."""
    lines, beside = _measured_and_beside(evaluation)
    encoders = [one.name for one in evaluation.encoders]
    rows = [["", *encoders]]
    rows += [[line.label, *(str(line.scores.get(name, "-")) for name in encoders)] for line in lines]
    notes = [f"All scores are times 100; {evaluation.protocol['sentence']}. In brackets:", *_spreads(lines)]
    parts = [*_grid(rows), "", *notes]
    if beside:
        systems = _shown(beside)
        rows = [["", *encoders, *(MARK + system for system in systems)]]
        for line in beside:
            cells = [str(line.scores.get(name, "-")) for name in encoders]
            rows.append([line.label, *cells, *(_plain(line.published.get(system)) for system in systems)])
        parts += ["", "Beside published numbers", "", *_grid(rows), "", _published_note(evaluation, systems)]
    return "\n".join([*parts, *_difference_notes(evaluation)]) + "\n"


def _measured_and_beside(evaluation: Evaluation) -> tuple[list[Line], list[Line]]:
    lines = lines_of(evaluation)
    return lines, [line for line in lines if any(system in line.published for system in SHOWN)]


def _published_note(evaluation: Evaluation, systems: Sequence[str]) -> str:
    sources = "; ".join(dict.fromkeys(row.source for row in evaluation.published if row.system in systems))
    return (
        f"Published columns were not measured here ({sources}): one mini-batch k-means run each, which moves by two "
        "to three points from seed to seed."
    )


def _difference_notes(evaluation: Evaluation) -> list[str]:
    """Paired differences of the summaries, or of the tasks where there is no summary."""
    scopes = {(one.suite, one.measure) for one in evaluation.summaries}
    shown = [one for one in evaluation.differences if (one.scope, one.measure) in scopes] or evaluation.differences
    if not shown:
        return []
    rows = [["difference", "minus", "", "95 % bootstrap interval over the same items"]]
    for one in shown:
        label = Line(one.scope, one.measure, {}, {}).label
        rows.append([one.encoder, one.against, label, str(one.score)])
    return ["", *_grid(rows)]


def csv_text(evaluation: Evaluation) -> str:
    """Long form: scope, measure, system, value, low, high, what the range is, protocol, published or not."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["scope", "measure", "system", "value", "low", "high", "spread", "protocol", "published", "source"])
    sentence = evaluation.protocol["sentence"]
    for line in lines_of(evaluation, brief=False):
        for name, s in line.scores.items():
            numbers = [f"{s.value:.4f}", f"{s.low:.4f}", f"{s.high:.4f}"]
            writer.writerow([line.scope, line.measure, name, *numbers, s.spread, sentence, "no", "measured"])
    for row in evaluation.published:
        writer.writerow([row.task, row.measure, row.system, row.value, "", "", "", "published", "yes", row.source])
    return out.getvalue()


def latex(evaluation: Evaluation) -> str:
    """Booktabs tables of the same rows as the Markdown ones; published columns are in italics and set apart."""
    lines, beside = _measured_and_beside(evaluation)
    encoders, systems = [one.name for one in evaluation.encoders], _shown(beside)
    caption = f"All scores times 100; {evaluation.protocol['sentence']}."
    tables = ["% needs \\usepackage{booktabs}", *_latex_table(lines, encoders, [], caption)]
    if beside:
        tables += _latex_table(beside, encoders, systems, f"{caption} {_published_note(evaluation, systems)}")
    return "\n".join(tables) + "\n"


def _latex_table(lines: Sequence[Line], encoders: list[str], systems: list[str], caption: str) -> list[str]:
    columns = "l" + "r" * len(encoders) + ("|" + "r" * len(systems) if systems else "")
    head = ["", *(_escaped(name) for name in encoders), *(f"\\textit{{{_escaped(MARK + one)}}}" for one in systems)]
    body = []
    for line in lines:
        cells = [_latex_score(line.scores.get(name)) for name in encoders]
        cells += [f"\\textit{{{_plain(line.published.get(system))}}}" for system in systems]
        body.append(" & ".join([_escaped(line.label), *cells]) + " \\\\")
    opening = [
        "\\begin{table}",
        f"\\begin{{tabular}}{{{columns}}}",
        "\\toprule",
        " & ".join(head) + " \\\\",
        "\\midrule",
    ]
    closing = ["\\bottomrule", "\\end{tabular}", f"\\caption{{{_escaped(caption)}}}", "\\end{table}"]
    return [*opening, *body, *closing]


def write_tables(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write the JSON document and every table of WRITERS to a folder; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in WRITERS.items():
        with put_in_place(folder / name) as part:
            part.write_text(text(evaluation), encoding="utf-8")
        written.append(folder / name)
    return written


def _document(evaluation: Evaluation) -> str:
    return json.dumps(to_document(evaluation), indent=1, ensure_ascii=False) + "\n"


def _page(evaluation: Evaluation) -> str:
    header = "".join(f"{name}: {value}  \n" for name, value in evaluation.facts.items())
    return f"# Scores\n\n{header}\n{markdown(evaluation)}"


WRITERS: dict[str, Callable[[Evaluation], str]] = {
    DOCUMENT: _document,
    "scores.md": _page,
    "scores.csv": csv_text,
    "scores.tex": latex,
}


# --- small steps -------------------------------------------------------------------------------------------------


def _shown(lines: Sequence[Line]) -> list[str]:
    return [system for system in SHOWN if any(system in line.published for line in lines)]


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _grid(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in rows]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def _spreads(lines: Sequence[Line]) -> list[str]:
    """What each range is, once per wording, with the rows it applies to."""
    spreads: dict[str, list[str]] = {}
    for line in lines:
        for score in line.scores.values():
            kept = spreads.setdefault(score.spread, [])
            if line.label not in kept:
                kept.append(line.label)
    return [f"- {_few(labels)}: {spread}." for spread, labels in spreads.items()]


def _few(labels: list[str]) -> str:
    return ", ".join(labels[:3]) + (f" and {len(labels) - 3} more" if len(labels) > 3 else "")


def _latex_score(score: Score | None) -> str:
    if score is None:
        return "-"
    return f"{score.value:.1f} {{\\scriptsize[{score.low:.1f}, {score.high:.1f}]}}"


def _escaped(text: str) -> str:
    for special in "&%#_$":
        text = text.replace(special, f"\\{special}")
    return text
