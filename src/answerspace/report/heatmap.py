"""Heat maps of how things relate, each a square table with shaded cells, on one self-contained page."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

import numpy as np
import numpy.typing as npt

from answerspace.errors import InputError
from answerspace.report.page import asset, source_hash

FAINTEST, STRONG = 0.06, 0.6  # the least shade, and the one from which letters are light


@dataclass(frozen=True)
class HeatMap:
    """A (rows, columns) matrix with names; ``corner`` says what a row and a column are. A low number is dark where
    ``reverse`` is set, as for distances."""

    heading: str
    explanation: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: npt.NDArray[np.floating]
    corner: str = ""
    decimals: int = 2
    reverse: bool = False


def write_heatmaps(
    title: str, lead: str, maps: Sequence[HeatMap], path: str | Path, *, facts: Mapping[str, str] | None = None
) -> Path:
    """Write the maps as one page that needs no network and return its path.

    Raises InputError when a matrix does not fit its names or holds NaN.
    """
    style, script = asset("report.css") + asset("heatmap.css"), asset("heatmap.js")
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"style-src {source_hash(style)}; script-src {source_hash(script)}"
    )
    page = Template(asset("heatmap.html")).substitute(
        title=html.escape(title),
        lead=html.escape(lead),
        policy=policy,
        style=style,
        script=script,
        maps="\n".join(map(_section, maps)),
        facts="".join(
            f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in (facts or {}).items()
        ),
    )
    path = Path(path)
    path.write_bytes(page.encode("utf-8", "replace"))
    return path


def _section(one: HeatMap) -> str:
    if one.values.shape != (len(one.rows), len(one.columns)) or not np.isfinite(one.values).all():
        raise InputError(
            f"The map {one.heading!r} must hold ({len(one.rows)}, {len(one.columns)}) finite numbers. Got shape "
            f"{one.values.shape}."
        )
    shades = shares(one.values, reverse=one.reverse)
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in one.columns)
    body = ""
    for name, values, row in zip(one.rows, one.values, shades, strict=True):
        cells = "".join(
            f'<td data-share="{shade:.3f}" class="{_classes(shade, name == other)}">{value:.{one.decimals}f}</td>'
            for other, value, shade in zip(one.columns, values, row, strict=True)
        )
        body += f'<tr><th scope="row">{html.escape(name)}</th>{cells}</tr>'
    return (
        f'<section class="heat"><h2>{html.escape(one.heading)}</h2><p>{html.escape(one.explanation)}</p>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(one.heading)}"><table>'
        f"<thead><tr><td>{html.escape(one.corner)}</td>{head}</tr></thead><tbody>{body}</tbody></table></div></section>"
    )


def _classes(shade: float, same: bool) -> str:
    return " ".join(name for name, is_so in (("strong", shade > STRONG), ("same", same)) if is_so)


def shares(values: npt.NDArray[np.floating], *, reverse: bool = False) -> npt.NDArray[np.floating]:
    """The shade of each cell from FAINTEST, the least number, to 1, the largest; all 0.5 where all are equal."""
    low, high = float(values.min()), float(values.max())
    if high - low < 1e-12:
        return np.full(values.shape, 0.5)
    unit = (values - low) / (high - low)
    return np.asarray(FAINTEST + (1 - FAINTEST) * (1 - unit if reverse else unit))
