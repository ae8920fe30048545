"""The curve of an experiment as one SVG: accuracy against the number of tasks, selected, random and all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

from answerspace.evaluation.scores import Score

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 420, 60, 170, 40, 50
COLOURS = {"selected": "#1b6ca8", "random": "#b8621b", "all": "#444444"}
TEXT_HEIGHT = 14


def sweep_svg(curve: Mapping[str, Mapping[int, Score]], *, title: str, lines: Mapping[str, float] | None = None) -> str:
    """An SVG of accuracy x 100 with 95 % intervals; the k axis is logarithmic, ``lines`` are dashed and named."""
    lines = lines or {}
    sizes = sorted({k for points in curve.values() for k in points})
    scores = [score for points in curve.values() for score in points.values()]
    ends = [*(s.low for s in scores), *(s.high for s in scores), *lines.values()]
    step = 5 if max(ends) - min(ends) <= 50 else 10
    low, high = step * math.floor(min(ends) / step), step * math.ceil(max(ends) / step)
    span = math.log(sizes[-1] / sizes[0]) or 1.0

    def x(k: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(k / sizes[0]) / span

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / max(1, high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>',
    ]
    for value in range(low, high + 1, step):
        parts.append(f'<path d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value}</text>')
    for k in sizes:
        parts.append(f'<text x="{x(k):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{k}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle:.0f}" y="{HEIGHT - 10}" text-anchor="middle">number of training tasks k</text>')
    below = 0.0
    for name, height in sorted(lines.items(), key=lambda line: -line[1]):
        below = max(y(height), below + TEXT_HEIGHT)  # names of lines that lie close do not cover each other
        parts.append(_line(LEFT, WIDTH - RIGHT, y(height), below, "#777", name))
    shift = {"selected": -4, "random": 4, "all": 0}
    for way, points in curve.items():
        colour = COLOURS.get(way, "#777")
        places = [(x(k) + shift.get(way, 0), score) for k, score in sorted(points.items())]
        path = " ".join(f"{'L' if i else 'M'}{px:.1f} {y(s.value):.1f}" for i, (px, s) in enumerate(places))
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for px, s in places:
            parts.append(f'<path d="M{px:.1f} {y(s.low):.1f}V{y(s.high):.1f}" stroke="{colour}"/>')
            parts.append(f'<circle cx="{px:.1f}" cy="{y(s.value):.1f}" r="4" fill="{colour}"/>')
    for i, way in enumerate(curve):
        side = LEFT + 14 + 110 * i
        parts.append(f'<circle cx="{side}" cy="{TOP + 8}" r="4" fill="{COLOURS.get(way, "#777")}"/>')
        parts.append(f'<text x="{side + 10}" y="{TOP + 12}">{escape(way)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _line(left: float, right: float, height: float, label_height: float, colour: str, label: str) -> str:
    return (
        f'<path d="M{left} {height:.1f}H{right}" stroke="{colour}" stroke-dasharray="5 4"/>'
        f'<text x="{right + 6}" y="{label_height + 4:.1f}" fill="{colour}">{escape(label)}</text>'
    )
