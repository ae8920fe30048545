"""How good a ranking of tasks is: arrays in, numbers between 0 and 1 out."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def average_precision(relevant: Flags) -> float:
    """AP of a ranking; ``relevant`` (n,) is best first. 0 where nothing is relevant."""
    hits = np.cumsum(relevant)
    places = np.flatnonzero(relevant)
    return float((hits[places] / (places + 1)).mean()) if len(places) else 0.0


def ndcg(gains: Numbers, at: int | None = None) -> float:
    """Normalised discounted cumulative gain of gains in ranked order, of the first ``at`` places."""
    at = at or len(gains)
    discounts = 1 / np.log2(np.arange(2, at + 2))
    best = np.sort(gains)[::-1][:at]
    ideal = float((best * discounts[: len(best)]).sum())
    return float((gains[:at] * discounts[: len(gains[:at])]).sum()) / ideal if ideal > 0 else 0.0


def precision_at(relevant: Flags, at: int) -> float:
    """Share of relevant places among the first ``at``."""
    return float(relevant[:at].mean()) if len(relevant) else 0.0


def percentiles(order: Sequence[str]) -> dict[str, float]:
    """Items of an order, best first, as numbers from 1 (best) to 0 (last)."""
    last = max(1, len(order) - 1)
    return {item: 1 - place / last for place, item in enumerate(order)}


def overlap(chosen: Collection[str], reference: Collection[str]) -> float:
    """Share of the distinct reference items that were chosen."""
    wanted = set(reference)
    return len(wanted & set(chosen)) / len(wanted) if wanted else 0.0


def f1(chosen: int, relevant: int, both: int) -> float:
    """Harmonic mean of precision and recall from counts."""
    return 2 * both / (chosen + relevant) if chosen + relevant else 0.0
