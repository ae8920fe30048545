"""Which figures an evaluation gives, as plain values: panels of series, nothing of how they are drawn.

The paper's figures by what was varied: aggregations (its Fig. 2), layers (Fig. 7), the filter on and off (Fig. 3), the
wording of the instruction (Fig. 5); and, whatever was varied, every encoder beside every other. Nothing is picked by
its score: where there are too many variations to show, the first of each model is shown and the caption says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from answerspace.aggregation import AGGREGATIONS, canonical_name
from answerspace.evaluation.results import EncoderFacts, Evaluation
from answerspace.evaluation.scores import Score
from answerspace.evaluation.tables import Line

MOST = 8  # encoders side by side in one panel: as many as there are colours
KINDS = ("correct", "implicit", "incorrect")
HIDDEN = ("min_max", "wording_drop", "movement")  # shown in the tables, not as a headline
DELTAS = {"delta_correct": "correct - incorrect", "delta_implicit": "implicit - incorrect"}
ORDER = [*AGGREGATIONS, "reencode", "reencode_10"]


@dataclass(frozen=True)
class Series:
    """Marks of one colour: at ``x`` (a number, or a tick's place) the ``scores``; ``points`` are a mark's parts."""

    name: str
    x: list[float]
    scores: list[Score]
    points: list[list[float]] = field(default_factory=list)


@dataclass(frozen=True)
class Panel:
    """One pair of axes. ``ticks`` name the places 0, 1, ... of the x axis; () leaves it numeric.

    ``levels`` are lines across (baselines); ``published`` the same for numbers of others.
    """

    title: str
    ticks: tuple[str, ...]
    series: list[Series]
    levels: dict[str, float] = field(default_factory=dict)
    published: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """``shape``: "dots" (a row per tick), "columns" (groups side by side), "lines" (along x), "swarm", "dumbbells"."""

    name: str
    title: str
    shape: str
    caption: str
    panels: list[Panel]


def figures_of(evaluation: Evaluation) -> list[Figure]:
    """The figures that the evaluation has something for, in the order of a page."""
    return [figure for make in FIGURES for figure in make(evaluation) if figure.panels]


# --- what is shown -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Headline:
    """A number that sums up a part of the run: a summary, or the main measure of a task in no summary."""

    scope: str
    measure: str
    scores: dict[str, Score]
    published: dict[str, float]

    @property
    def label(self) -> str:
        """As a person reads it."""
        return Line(self.scope, self.measure, {}, {}).label


def headlines(evaluation: Evaluation) -> list[Headline]:
    """Summaries, then the main measures of tasks that no summary covers."""
    found: dict[tuple[str, str], dict[str, Score]] = {}
    covered: set[str] = set()
    for one in evaluation.summaries:
        covered |= set(one.tasks)
        if not any(word in one.measure for word in HIDDEN):
            found.setdefault((one.suite, one.measure), {})[one.encoder] = one.score
    for result in evaluation.results:
        if result.task not in covered:
            found.setdefault((result.task, next(iter(result.measures))), {})[result.encoder] = result.main
    published: dict[tuple[str, str], dict[str, float]] = {}
    for row in evaluation.published:
        published.setdefault((row.task, row.measure), {})[row.system] = row.value
    return [Headline(*key, scores, published.get(key, {})) for key, scores in found.items()]


def shown_encoders(evaluation: Evaluation) -> tuple[list[EncoderFacts], str]:
    """All encoders, or the first variation of every model and the baselines, at most MOST; and what to say of it."""
    encoders = evaluation.encoders
    if len(encoders) <= MOST:
        return list(encoders), ""
    first = {one.options.get("model", one.name): one for one in reversed(encoders) if one.role == "model"}
    kept = [one for one in encoders if one.role == "baseline" or one in first.values()][:MOST]
    return kept, f" Shown: {len(kept)} of {len(encoders)} encoders, the first of each model; all are in the tables."


# --- every encoder beside every other ----------------------------------------------------------------------------


def overview(evaluation: Evaluation) -> list[Figure]:
    """One row per encoder, one panel per headline."""
    encoders, note = shown_encoders(evaluation)
    names = [one.name for one in encoders]
    panels = []
    for headline in headlines(evaluation):
        series = [
            Series(name, [float(place)], [headline.scores[name]])
            for place, name in enumerate(names)
            if name in headline.scores
        ]
        panels.append(Panel(headline.label, tuple(names), series, published=_few(headline.published)))
    caption = "Bars are the ranges named under the table." + note
    if any(panel.published for panel in panels):
        caption += " Diamonds are published numbers, not measured here."
    return [Figure("overview", "All encoders", "dots", caption, panels)]


def by_task(evaluation: Evaluation) -> list[Figure]:
    """One row per clustering task: what a mean over them hides."""
    encoders, note = shown_encoders(evaluation)
    panels = []
    for suite in dict.fromkeys(task["suite"] for task in evaluation.tasks):
        tasks = [t["name"] for t in evaluation.tasks if (t["suite"], t["kind"]) == (suite, "clustering")]
        if len(tasks) < 3:
            continue
        series = []
        for one in encoders:
            results = [(place, evaluation.result(name, one.name)) for place, name in enumerate(tasks)]
            found = [(float(place), result.main) for place, result in results if result is not None]
            series.append(Series(one.name, [x for x, _ in found], [score for _, score in found]))
        panels.append(Panel(f"{suite}: V-measure", tuple(tasks), series))
    return [Figure("tasks", "Criterion by criterion", "dots", "V-measure of every clustering." + note, panels)]


# --- what was varied ---------------------------------------------------------------------------------------------


def aggregations(evaluation: Evaluation) -> list[Figure]:
    """The paper's Fig. 2: a column per aggregation at one layer, without the filter."""
    models = [one for one in evaluation.encoders if one.options.get("aggregation") and not one.options.get("filter")]
    layers = list(dict.fromkeys(one.options.get("layer") for one in models))
    models = [one for one in models if one.options.get("layer") == (layers or [None])[-1]]
    ticks = sorted({_aggregation(one) for one in models}, key=_place)
    if len(ticks) < 2:
        return []
    at = f" Layer {layers[-1]}." if layers[-1] is not None else ""
    panels = _varied(evaluation, models, ticks, lambda one: float(ticks.index(_aggregation(one))), _model)
    title = "Aggregation of the answer's states"
    return [Figure("aggregations", title, "columns", "After the paper's Fig. 2." + at + _levels_note(panels), panels)]


def layers(evaluation: Evaluation) -> list[Figure]:
    """The paper's Fig. 7: a line per aggregation over the layers."""
    models = [
        one for one in evaluation.encoders if one.options.get("layer") is not None and not one.options.get("filter")
    ]
    if len({one.options["layer"] for one in models}) < 2:
        return []
    several = len({_model(one) for one in models}) > 1

    def name(one: EncoderFacts) -> str:
        words = [_model(one)] * several + [_aggregation(one)] * bool(one.options.get("aggregation"))
        return ", ".join(words) or _model(one)

    models = sorted(models, key=lambda one: int(one.options["layer"]))
    panels = _varied(evaluation, models, (), lambda one: float(one.options["layer"]), name)
    caption = "After the paper's Fig. 7. The x axis is the layer that states are taken from." + _levels_note(panels)
    return [Figure("layers", "Depth", "lines", caption, panels)]


def filters(evaluation: Evaluation) -> list[Figure]:
    """The paper's Fig. 3: every variation without and with the answer filter."""
    pairs: dict[str, dict[bool, EncoderFacts]] = {}
    for one in evaluation.encoders:
        if "filter" in one.options:
            rest = [str(one.options[key]) for key in ("layer", "aggregation") if key in one.options]
            pairs.setdefault(", ".join([_model(one), *rest]), {})[bool(one.options["filter"])] = one
    both = {name: pair for name, pair in pairs.items() if len(pair) == 2}
    ticks = list(both)
    panels = []
    for headline in headlines(evaluation) if ticks else []:
        series = []
        for filtered in (False, True):
            marks = [
                (float(place), headline.scores[pair[filtered].name])
                for place, pair in enumerate(both.values())
                if pair[filtered].name in headline.scores
            ]
            name = "with the filter" if filtered else "without"
            series.append(Series(name, [x for x, _ in marks], [score for _, score in marks]))
        panels.append(Panel(headline.label, tuple(ticks), series))
    caption = (
        "After the paper's Fig. 3: states that predict stop words, words of the question or stock phrases left out."
    )
    return [Figure("filter", "The answer filter", "dumbbells", caption, panels)]


def wordings(evaluation: Evaluation) -> list[Figure]:
    """The paper's Fig. 5: V-measure under every instruction, by kind."""
    encoders, note = shown_encoders(evaluation)
    panels = []
    for task in _lists(evaluation):
        ticks: list[str] = []
        series = {kind: Series(kind, [], [], []) for kind in KINDS}
        levels: dict[str, float] = {}
        for one in encoders:
            result = evaluation.result(task, one.name)
            if result is None:
                continue
            place = float(len(ticks))
            ticks.append(one.name)
            for kind, marks in series.items():
                marks.x.append(place)
                marks.scores.append(result.measures[f"v_{kind}"])
                marks.points.append([_mean(i.values) for i in result.instructions if i.kind == kind])
            levels[one.name] = result.measures["v_original"].value
        panels.append(Panel(task, tuple(ticks), list(series.values()), levels))
    caption = (
        "After the paper's Fig. 5. A dot is one instruction (its V-measure, mean over seeds), a bar the mean of its "
        "kind, the line the original instruction. An embedder that follows its question has correct and implicit above "
        "incorrect."
    )
    return [Figure("wordings", "Other wordings of the question", "swarm", caption + note, panels)]


def deltas(evaluation: Evaluation) -> list[Figure]:
    """How far right instructions are above wrong ones: 0 is an embedder that does not listen."""
    encoders, note = shown_encoders(evaluation)
    tasks = _lists(evaluation)
    panels = []
    for measure, words in DELTAS.items():
        series = []
        for one in encoders:
            results = [(float(place), evaluation.result(task, one.name)) for place, task in enumerate(tasks)]
            found = [(x, result.measures[measure]) for x, result in results if result is not None]
            series.append(Series(one.name, [x for x, _ in found], [score for _, score in found]))
        if tasks:
            panels.append(Panel(words, tuple(tasks), series, {"": 0.0}))
    caption = "Means over instructions; bars are 95 % bootstrap intervals over the instructions." + note
    return [Figure("deltas", "What the right question adds", "dots", caption, panels)]


FIGURES: tuple[Callable[[Evaluation], list[Figure]], ...] = (
    overview,
    by_task,
    aggregations,
    layers,
    filters,
    wordings,
    deltas,
)


# --- small steps -------------------------------------------------------------------------------------------------


def _varied(
    evaluation: Evaluation,
    models: Sequence[EncoderFacts],
    ticks: Iterable[str],
    x: Callable[[EncoderFacts], float],
    name: Callable[[EncoderFacts], str],
) -> list[Panel]:
    """A panel per headline, a series per ``name``, a mark at ``x``, baselines as levels."""
    baselines = [one.name for one in evaluation.encoders if one.role == "baseline"]
    panels = []
    for headline in headlines(evaluation):
        series: dict[str, Series] = {}
        for one in models:
            if one.name in headline.scores:
                marks = series.setdefault(name(one), Series(name(one), [], []))
                marks.x.append(x(one))
                marks.scores.append(headline.scores[one.name])
        levels = {other: headline.scores[other].value for other in baselines if other in headline.scores}
        if series:
            panels.append(Panel(headline.label, tuple(ticks), list(series.values()), levels))
    return panels


def _lists(evaluation: Evaluation) -> list[str]:
    return [task["name"] for task in evaluation.tasks if task["kind"] == "lists"]


def _levels_note(panels: Sequence[Panel]) -> str:
    return " Dashed: baselines." if any(panel.levels for panel in panels) else ""


def _few(published: dict[str, float]) -> dict[str, float]:
    from answerspace.evaluation.published import SHOWN

    return {system: value for system, value in published.items() if system in SHOWN}


def _model(one: EncoderFacts) -> str:
    return str(one.options.get("model", one.name))


def _aggregation(one: EncoderFacts) -> str:
    return canonical_name(str(one.options.get("aggregation", "")))


def _place(name: str) -> tuple[int, str]:
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
