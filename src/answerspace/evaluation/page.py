"""An evaluation as one HTML file: its figures and its tables, in the clothes of the report page.

It needs no network and may not use one; its style and script are allowed by their hashes, its figures are images of
its own. Everything comes from the result document: ``read_evaluation(folder)`` and ``write_page`` draw it again.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from string import Template

from answerspace.answer_store import put_in_place
from answerspace.errors import MissingExtra
from answerspace.evaluation.drawing import THEMES, draw, write_plots
from answerspace.evaluation.figures import Figure, figures_of, headlines
from answerspace.evaluation.published import SHOWN
from answerspace.evaluation.results import Difference, Evaluation
from answerspace.evaluation.scores import Score
from answerspace.evaluation.tables import Line, lines_of
from answerspace.report.page import asset, source_hash

PAGE = "evaluation.html"
PLOTS = "plots"
PACKAGE = "answerspace.evaluation"
TITLE = "Does the embedding follow the question?"


def write_page(
    evaluation: Evaluation, folder: str | Path, *, tell: Callable[[str], None] = lambda note: None
) -> list[Path]:
    """Write the page, and every figure as SVG and PNG under ``plots``; returns the paths.

    Without matplotlib the page has its tables only, and ``tell`` is told what to install.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figures = figures_of(evaluation)
    try:
        images = [(figure, {theme: draw(figure, theme=theme) for theme in THEMES}) for figure in figures]
        plots = write_plots(figures, folder / PLOTS)
    except MissingExtra as error:
        tell(str(error))
        images, plots = [], []
    path = folder / PAGE
    with put_in_place(path) as part:
        part.write_bytes(page(evaluation, images).encode("utf-8", "replace"))
    return [path, *plots]


def page(evaluation: Evaluation, images: Sequence[tuple[Figure, Mapping[str, bytes]]]) -> str:
    """The page's source; ``images`` are figures with their SVG in each theme of ``drawing.THEMES``."""
    style = asset("report.css") + asset("page.css", PACKAGE)
    script = asset("page.js", PACKAGE)
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"style-src {source_hash(style)}; script-src {source_hash(script)}"
    )
    sections = {"Scores": _scores(evaluation)}
    sections |= {figure.title: _figure(figure, drawn) for figure, drawn in images}
    if evaluation.differences:
        sections["Paired differences"] = _differences(evaluation)
    sections |= {"Tasks": _tasks(evaluation), "About this run": _about(evaluation)}
    return Template(asset("page.html", PACKAGE)).substitute(
        title=html.escape(TITLE),
        lead=html.escape(_capital(evaluation.protocol["sentence"]) + ". All scores are times 100."),
        policy=policy,
        style=style,
        script=script,
        links="".join(f'<a href="#{_id(title)}">{html.escape(title)}</a>' for title in sections),
        sections="\n".join(
            f'<section id="{_id(title)}"><h2>{html.escape(title)}</h2>{body}</section>'
            for title, body in sections.items()
        ),
    )


# --- sections ----------------------------------------------------------------------------------------------------


def _scores(evaluation: Evaluation) -> str:
    lines = lines_of(evaluation)
    summaries = {(one.suite, one.measure) for one in evaluation.summaries}
    encoders = [one.name for one in evaluation.encoders]
    systems = [system for system in SHOWN if any(system in line.published for line in lines)]
    head = [_tag("th", name, scope="col") for name in encoders]
    head += [_tag("th", f"published: {system}", "published", scope="col") for system in systems]
    rows = []
    for line in lines:
        ranked = [score.value for score in line.scores.values()] if _more_is_better(line.measure) else []
        best = max(ranked, default=float("inf"))
        cells = [_score_cell(line.scores.get(name), best) for name in encoders]
        cells += [_tag("td", _number(line.published.get(system)), "published") for system in systems]
        kind = "summary" if (line.scope, line.measure) in summaries else ""
        rows.append(_row(line.label, cells, kind))
    spreads = dict.fromkeys(score.spread for line in lines for score in line.scores.values())
    notes = [
        "In small print the range of a score: " + "; ".join(spreads) + ".",
        "Bold: the highest of a row, where more is better.",
    ]
    if systems:
        sources = "; ".join(dict.fromkeys(row.source for row in evaluation.published if row.system in systems))
        notes.append(f"In italics: published by others, not measured here ({sources}).")
    return _table(["", *head], rows, "Scores by task and encoder") + _notes(notes)


def _figure(figure: Figure, drawn: Mapping[str, bytes]) -> str:
    text = html.escape(_in_words(figure), quote=True)
    images = "".join(
        f'<img class="{theme}" alt="{text}" src="data:image/svg+xml;base64,{base64.b64encode(svg).decode("ascii")}">'
        for theme, svg in drawn.items()
    )
    return f'<p class="muted">{html.escape(figure.caption)}</p><figure>{images}</figure>'


def _differences(evaluation: Evaluation) -> str:
    """Of the headlines; every other difference is in the document."""
    shown = {(one.scope, one.measure) for one in headlines(evaluation)}
    ones = [one for one in evaluation.differences if (one.scope, one.measure) in shown] or evaluation.differences
    rows = [_row(Line(one.scope, one.measure, {}, {}).label, _difference_cells(one)) for one in ones]
    head = ["", *(_tag("th", name, scope="col") for name in ("encoder", "minus", "difference", ""))]
    note = "Both encoders on the same items, drawn alike; in small print the 95 % bootstrap interval."
    return f'<p class="muted">{note}</p>' + _table(head, rows, "Paired differences")


def _difference_cells(one: Difference) -> list[str]:
    score = one.score
    word = "" if score.low <= 0 <= score.high else "beyond chance"
    return [_tag("td", one.encoder), _tag("td", one.against), _score_cell(score, float("inf")), _tag("td", word)]


def _tasks(evaluation: Evaluation) -> str:
    rows = []
    for task in evaluation.tasks:
        source = task.get("source", {})
        where = (
            f"{source['hub']}@{str(source.get('revision', ''))[:8]}" if source.get("hub") else source.get("file", "")
        )
        size = task.get("size", {})
        counts = [f"{size[key]:,} {key}" for key in ("rows", "labels") if size.get(key)]
        asked = [one for one in task["instructions"] if one]
        instructions = "; ".join(asked) or "one per pair"
        cells = (instructions, where, ", ".join(counts) or "-", task["licence"], task["citation"])
        rows.append(_row(task["name"], [_tag("td", str(cell), "prose") for cell in cells]))
    names = ("instruction", "data", "size", "licence", "source")
    return _table(["", *(_tag("th", name, scope="col") for name in names)], rows, "Tasks")


def _about(evaluation: Evaluation) -> str:
    facts = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in _facts(evaluation))
    return f"<dl>{facts}</dl>"


def _facts(evaluation: Evaluation) -> Iterable[tuple[str, str]]:
    yield from evaluation.facts.items()
    seconds = sum(result.seconds for result in evaluation.results)
    yield "time", f"{seconds:,.0f} s for {len(evaluation.results)} results"


# --- small steps -------------------------------------------------------------------------------------------------


def _in_words(figure: Figure) -> str:
    """The alternative text: what is on the axes; the numbers are in the tables."""
    panels = "; ".join(panel.title for panel in figure.panels)
    return f"{figure.title}. Panels: {panels}. The numbers are in the table of scores."


def _score_cell(score: Score | None, best: float) -> str:
    if score is None:
        return _tag("td", "-")
    first = ' class="first"' if score.value >= best else ""
    spread = html.escape(score.spread, quote=True)
    range_ = "" if score.low == score.high else f"<small>{score.low:.1f} to {score.high:.1f}</small>"
    return f'<td{first} title="{spread}">{score.value:.1f}{range_}</td>'


def _more_is_better(measure: str) -> bool:
    return not any(word in measure for word in ("wording_drop", "movement"))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _row(label: str, cells: Sequence[str], kind: str = "") -> str:
    name = f' class="{kind}"' if kind else ""
    return f"<tr{name}>{_tag('th', label, scope='row')}{''.join(cells)}</tr>"


def _table(head: Sequence[str], rows: Sequence[str], label: str) -> str:
    cells = "".join(one or "<td></td>" for one in head)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(label, quote=True)}">'
        f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _notes(notes: Sequence[str]) -> str:
    return '<ul class="notes">' + "".join(f"<li>{html.escape(note)}</li>" for note in notes) + "</ul>"


def _tag(name: str, text: str, kind: str = "", *, scope: str = "") -> str:
    attributes = (f' class="{kind}"' if kind else "") + (f' scope="{scope}"' if scope else "")
    return f"<{name}{attributes}>{html.escape(text)}</{name}>"


def _id(title: str) -> str:
    return title.lower().replace(" ", "-").replace("'", "")


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
