"""How useful a source task was to other targets: a prior for selection where transfers were measured.

INSTA uses no such measurements, so a selection with a prior is a setting of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from answerspace.errors import InputError
from answerspace.tables import read_table

NEUTRAL = 0.5
Transfers = Mapping[str, Mapping[str, float]]  # target -> source -> a score, larger is better


def read_transfers(path: str | Path) -> dict[str, dict[str, float]]:
    """A table with the columns target, source and score; several rows of a pair are averaged."""
    table = read_table(path)
    missing = [name for name in ("target", "source", "score") if name not in table.frame.columns]
    if missing:
        raise InputError(f"--prior must be a table with target, source and score. {table.name} has no {missing[0]}.")
    found: dict[str, dict[str, list[float]]] = {}
    for number, row in enumerate(table.frame.to_dicts(), 1):
        try:
            found.setdefault(str(row["target"]), {}).setdefault(str(row["source"]), []).append(float(row["score"]))
        except (TypeError, ValueError):
            raise InputError(f"{table.name}, row {number}: score must be a number. Got {row['score']!r}.") from None
    return {t: {s: float(np.mean(v)) for s, v in sources.items()} for t, sources in found.items()}


def source_prior(transfers: Transfers, sources: Sequence[str], *, leave_out: Collection[str] = ()) -> list[float]:
    """A number per source: its mean percentile among the sources of each target, 0 worst to 1 best.

    Targets in ``leave_out`` (the target itself, or all of its kind) are not looked at. A source that was never
    measured gets 0.5. InputError when no target is left.
    """
    used = [target for target in transfers if target not in leave_out]
    if not used:
        raise InputError("A prior must rest on at least one other target. Got none besides those left out.")
    places: dict[str, list[float]] = {}
    for target in used:
        known = transfers[target]
        values = np.array(list(known.values()))
        last = max(1, len(values) - 1)
        for source, value in known.items():
            below = (values < value).sum() + ((values == value).sum() - 1) / 2
            places.setdefault(source, []).append(float(below / last))
    return [float(np.mean(places[source])) if source in places else NEUTRAL for source in sources]
