"""Figures to SVG and PNG with matplotlib (the eval extra), in the light or the dark colours of the report page.

Nothing is chosen here: what is shown stands in ``figures``. The same figure gives the same bytes.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from answerspace.answer_store import put_in_place
from answerspace.errors import MissingExtra
from answerspace.evaluation.figures import Figure, Panel, Series

DOTS_PER_INCH = 160


@dataclass(frozen=True)
class Colours:
    """``series`` are Okabe and Ito's, with yellow and black exchanged for Tol's wine and olive, as in the report."""

    page: str
    ink: str
    soft: str
    line: str
    series: tuple[str, ...]


THEMES = {
    "light": Colours(
        "#ffffff",
        "#1d2327",
        "#59636b",
        "#e1dfd9",
        ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#7A7A17"),
    ),
    "dark": Colours(
        "#1c2024",
        "#e9ebec",
        "#a3adb4",
        "#30363c",
        ("#4A9FE0", "#F2763A", "#1DBE90", "#E59CC8", "#F3B437", "#93D6FF", "#D2558F", "#BDBD4F"),
    ),
}
KIND_COLOURS = {"correct": 0, "implicit": 2, "incorrect": 1}
MARKERS = "osD^vPX*"


def draw(figure: Figure, *, theme: str = "light", format: str = "svg") -> bytes:
    """The figure as an SVG or PNG file. Raises MissingExtra without matplotlib."""
    with _matplotlib(THEMES[theme]) as plotting:
        drawn = _drawn(figure, THEMES[theme], plotting)
        out = io.BytesIO()
        metadata = {"Date": None} if format == "svg" else {"Software": None}
        drawn.savefig(out, format=format, metadata=metadata, dpi=DOTS_PER_INCH, facecolor=THEMES[theme].page)
    return out.getvalue()


def write_plots(figures: list[Figure], folder: Path) -> list[Path]:
    """``name``.svg and ``name``.png of every figure, in light colours; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for figure in figures:
        for format in ("svg", "png"):
            path = folder / f"{figure.name}.{format}"
            with put_in_place(path) as part:
                part.write_bytes(draw(figure, format=format))
            paths.append(path)
    return paths


@contextmanager
def _matplotlib(colours: Colours) -> Iterator[Any]:
    try:
        import matplotlib
        from matplotlib import figure as plotting
    except ImportError as error:
        raise MissingExtra("Plots", "eval") from error
    settings = {
        "svg.fonttype": "none",  # text stays text: smaller, and it can be searched
        "svg.hashsalt": "answerspace",
        "text.parse_math": False,  # a name may hold a dollar sign
        "font.family": "sans-serif",
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.facecolor": colours.page,
        "axes.edgecolor": colours.line,
        "axes.labelcolor": colours.soft,
        "axes.titlecolor": colours.ink,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": colours.line,
        "text.color": colours.ink,
        "xtick.color": colours.soft,
        "ytick.color": colours.soft,
        "legend.frameon": False,
        "legend.labelcolor": colours.ink,
    }
    with matplotlib.rc_context(settings):
        yield plotting


def _drawn(figure: Figure, colours: Colours, plotting: Any) -> Any:
    # 1) a grid of panels, wide ones one below the other
    shape = SHAPES[figure.shape]
    across = min(shape.across, len(figure.panels))
    down = math.ceil(len(figure.panels) / across)
    most = max(len(panel.ticks) for panel in figure.panels)
    height = shape.height + shape.per_tick * most
    drawn = plotting.Figure(figsize=(shape.width * across, height * down + 0.5), layout="constrained")
    axes = drawn.subplots(down, across, squeeze=False)
    # 2) the marks
    for place, ax in enumerate(axes.flat):
        if place < len(figure.panels):
            panel = figure.panels[place]
            shape.paint(ax, panel, colours)
            ax.set_title(_short(panel.title, 56))
        else:
            ax.set_axis_off()
    # 3) one legend for all panels
    named: dict[str, Any] = {}
    for ax in axes.flat:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    if len(named) > 1 or (named and figure.shape != "dots"):
        columns = max(1, min(len(named), int(shape.width * across / 1.9)))
        drawn.legend(named.values(), [_short(name, 44) for name in named], loc="outside lower left", ncols=columns)
    return drawn


# --- shapes ------------------------------------------------------------------------------------------------------


def _dots(ax: Any, panel: Panel, colours: Colours) -> None:
    """A row per tick; several series on one row are spread a little."""
    alone = all(len(series.x) <= 1 for series in panel.series)  # one mark per row names itself
    for number, series in enumerate(panel.series):
        offset = 0 if alone else _spread(number, len(panel.series), 0.6)
        rows = [x + offset for x in series.x]
        ax.errorbar(
            _values(series),
            rows,
            xerr=_errors(series),
            fmt=MARKERS[0 if alone else number % len(MARKERS)],
            markersize=5,
            color=_colour(colours, 0 if alone else number),
            label=None if alone else series.name,
            elinewidth=1.4,
        )
    _levels(ax, panel, colours, vertical=True)
    for number, (system, value) in enumerate(panel.published.items()):
        ax.plot(
            [value],
            [-0.75],
            marker="D",
            linestyle="",
            markersize=6,
            fillstyle="none",
            color=_colour(colours, number + 1),
            label=f"published: {system}",
            clip_on=False,
        )
    ax.set_yticks(range(len(panel.ticks)), [_short(name) for name in panel.ticks])
    ax.set_ylim(len(panel.ticks) - 0.4, -1.0 if panel.published else -0.6)
    ax.grid(visible=False, axis="y")
    ax.margins(x=0.08)


def _columns(ax: Any, panel: Panel, colours: Colours) -> None:
    """Groups of columns from zero, with their ranges."""
    width = 0.8 / len(panel.series)
    for number, series in enumerate(panel.series):
        places = [x + _spread(number, len(panel.series), 0.8) for x in series.x]
        ax.bar(places, _values(series), width * 0.94, color=_colour(colours, number), label=series.name)
        ax.errorbar(places, _values(series), yerr=_errors(series), fmt="none", ecolor=colours.ink, elinewidth=1.1)
    _levels(ax, panel, colours)
    _named_ticks(ax, panel)


def _lines(ax: Any, panel: Panel, colours: Colours) -> None:
    """A line per series with its range as a band."""
    for number, series in enumerate(panel.series):
        colour = _colour(colours, number)
        ax.plot(series.x, _values(series), marker=MARKERS[number % 8], markersize=4, color=colour, label=series.name)
        low, high = [score.low for score in series.scores], [score.high for score in series.scores]
        ax.fill_between(series.x, low, high, color=colour, alpha=0.15, linewidth=0)
    _levels(ax, panel, colours)
    ax.set_xticks(sorted({x for series in panel.series for x in series.x}))
    ax.set_xlabel("layer")


def _dumbbells(ax: Any, panel: Panel, colours: Colours) -> None:
    """A row per tick, from the first series to the second."""
    first, second = panel.series
    ends = dict(zip(first.x, _values(first), strict=True)), dict(zip(second.x, _values(second), strict=True))
    for row in ends[0].keys() & ends[1].keys():
        ax.plot([ends[0][row], ends[1][row]], [row, row], color=colours.soft, linewidth=2, zorder=1)
    for number, series in enumerate(panel.series):
        ax.plot(
            _values(series),
            series.x,
            linestyle="",
            marker=MARKERS[number],
            markersize=6,
            color=_colour(colours, number),
            label=series.name,
        )
    ax.set_yticks(range(len(panel.ticks)), [_short(name) for name in panel.ticks])
    ax.set_ylim(len(panel.ticks) - 0.5, -0.5)
    ax.margins(x=0.08)


def _swarm(ax: Any, panel: Panel, colours: Colours) -> None:
    """Per tick a strip of points for every series, its mean as a bar; a level is a line across its own tick."""
    for number, series in enumerate(panel.series):
        colour = _colour(colours, KIND_COLOURS.get(series.name, number))
        middle = _spread(number, len(panel.series), 0.78)
        for place, (x, points) in enumerate(zip(series.x, series.points, strict=True)):
            spread = [x + middle + 0.16 * ((i % 5) / 4 - 0.5) for i in range(len(points))]
            label = series.name if place == 0 else None
            ax.plot(spread, points, linestyle="", marker="o", markersize=3.2, alpha=0.75, color=colour, label=label)
        centres = [x + middle for x in series.x]
        ax.hlines(_values(series), [x - 0.12 for x in centres], [x + 0.12 for x in centres], color=colour, linewidth=3)
    for place, (name, value) in enumerate(panel.levels.items()):
        label = "original" if place == 0 else None
        at = panel.ticks.index(name)
        ax.hlines([value], at - 0.42, at + 0.42, color=colours.ink, linewidth=1.1, linestyle=":", label=label)
    _named_ticks(ax, panel)


@dataclass(frozen=True)
class Shape:
    """How a panel is painted, its width and height in inches, how much a tick adds, and how many go side by side."""

    paint: Callable[[Any, Panel, Colours], None]
    width: float
    height: float
    per_tick: float
    across: int


SHAPES = {
    "dots": Shape(_dots, 5.0, 0.9, 0.26, 2),
    "columns": Shape(_columns, 3.4, 2.6, 0.0, 3),
    "lines": Shape(_lines, 3.4, 2.6, 0.0, 3),
    "dumbbells": Shape(_dumbbells, 5.0, 0.9, 0.26, 2),
    "swarm": Shape(_swarm, 5.0, 2.9, 0.0, 2),
}


# --- small steps -------------------------------------------------------------------------------------------------


def _values(series: Series) -> list[float]:
    return [score.value for score in series.scores]


def _errors(series: Series) -> list[list[float]]:
    below = [max(score.value - score.low, 0.0) for score in series.scores]
    return [below, [max(score.high - score.value, 0.0) for score in series.scores]]


def _spread(number: int, of: int, width: float) -> float:
    """The middle of part ``number`` when ``width`` around 0 is cut into ``of`` parts."""
    return (number + 0.5) * width / of - width / 2


def _short(name: str, most: int = 34) -> str:
    """The end of a long name, which is where folders and variations differ."""
    plain = " ".join(name.split())
    return plain if len(plain) <= most else "…" + plain[1 - most :]


def _colour(colours: Colours, number: int) -> str:
    return colours.series[number % len(colours.series)]


def _levels(ax: Any, panel: Panel, colours: Colours, *, vertical: bool = False) -> None:
    styles = ("--", ":", "-.", (0, (5, 1)), (0, (1, 1)))
    for number, (name, value) in enumerate(panel.levels.items()):
        line = ax.axvline if vertical else ax.axhline
        line(value, color=colours.soft, linestyle=styles[number % len(styles)], linewidth=1.2, label=name or None)


def _named_ticks(ax: Any, panel: Panel) -> None:
    names = [_short(name) for name in panel.ticks]
    ax.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor")
    ax.grid(visible=False, axis="x")
