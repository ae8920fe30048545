"""A correlation of instruction sets as heat maps, as JSON or as text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from answerspace.answer_store import put_in_place
from answerspace.answers import Array
from answerspace.errors import InputError
from answerspace.instructions.correlation import Correlation
from answerspace.report.heatmap import HeatMap, write_heatmaps

WRITERS = (".html", ".json")
REACH = (
    "How much of the row's set is found in the column's: the mean cosine of the row's instructions with the nearest "
    "one of the column. The outlined diagonal compares two samples of one set and is the most to expect."
)
OVERLAP = (
    "What two sets have in common: with all instructions grouped together by task, the sum over the groups of the "
    "smaller of the two shares. 1 is the same make-up; the diagonal shows how near to it two samples of one set come."
)
DISTANCE = (
    "How far apart the sets lie: the mean over dimensions of the one-dimensional Wasserstein distance of their unit "
    "vectors, times 1,000. Small is near."
)


def checked_output(path: str | Path) -> Path:
    """The path, or an InputError when it ends in neither .html nor .json or its folder does not exist."""
    path = Path(path)
    if path.suffix not in WRITERS:
        raise InputError(f"--output must end in {' or '.join(WRITERS)}. Got {path.name!r}.")
    if not path.parent.is_dir():
        raise InputError(f"--output must lie in a folder that exists. Got {str(path)!r}.")
    return path


def short_names(files: Sequence[str]) -> list[str]:
    """File names without folder and suffix; the whole path where two would be the same, numbered if need be."""
    stems = [Path(file).stem for file in files]
    counts = Counter(stems)
    names: list[str] = []
    for file, stem in zip(files, stems, strict=True):
        name = stem if counts[stem] == 1 else file
        names.append(name if name not in names else f"{name} ({names.count(name) + 1})")
    return names


def write(found: Correlation, path: Path, by: str) -> None:
    """Write a page or JSON, by the suffix. ``by`` names what told the tasks apart."""
    with put_in_place(path) as part:
        if path.suffix == ".html":
            facts = {
                "Sets": ", ".join(f"{name}: {rows:,}" for name, rows in zip(found.names, found.rows, strict=True)),
                "Compared": f"two samples of {found.sample:,} distinct instructions of each set, {found.draws} times",
                "Spread": f"at most {found.spread:.3f}, the standard deviation over the draws of any reach or overlap",
                "Tasks told apart by": by,
            }
            lead = "How far the tasks of each set are found in the others. The stronger the colour, the closer."
            write_heatmaps("Task overlap of instruction sets", lead, _maps(found), part, facts=facts)
        else:
            numbers = {
                name: value.tolist() if hasattr(value, "tolist") else value for name, value in asdict(found).items()
            }
            part.write_text(json.dumps(numbers | {"by": by}, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def as_text(found: Correlation) -> str:
    """The reach and the overlap as Markdown tables."""
    tables = (("Reach (row found in column)", found.reach), ("Overlap", found.overlap))
    return "\n".join(_table(heading, found.names, values) for heading, values in tables)


def _maps(found: Correlation) -> list[HeatMap]:
    names = found.names
    return [
        HeatMap("Reach", REACH, names, names, found.reach, "of / found in"),
        HeatMap("Overlap", OVERLAP, names, names, found.overlap),
        HeatMap("Distance", DISTANCE, names, names, 1000 * found.distance, decimals=1, reverse=True),
    ]


def _table(heading: str, names: Sequence[str], values: Array) -> str:
    lines = [f"| {heading} | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    lines += [
        f"| {name} | " + " | ".join(f"{v:.3f}" for v in row) + " |" for name, row in zip(names, values, strict=True)
    ]
    return "\n".join(lines) + "\n"
