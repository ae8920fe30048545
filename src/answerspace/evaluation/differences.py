"""Paired differences: two encoders on the same items, by subtracting bootstrap draws that were made alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from answerspace.evaluation.results import Difference, EncoderFacts
from answerspace.evaluation.scores import Numbers, from_draws

Values = Mapping[tuple[str, str], tuple[float, Numbers | None]]  # (scope, measure) -> value, draws


def compare(encoders: Sequence[EncoderFacts], values: Mapping[str, Values]) -> list[Difference]:
    """Every model minus every baseline, and minus the first model, wherever both have the measure with draws."""
    models = [one.name for one in encoders if one.role == "model"]
    others = [one.name for one in encoders if one.role == "baseline"]
    found = []
    for model in models:
        for against in [*(models[:1] if model != models[0] else []), *others]:
            for (scope, measure), (value, draws) in values.get(model, {}).items():
                other, other_draws = values.get(against, {}).get((scope, measure), (0.0, None))
                if draws is None or other_draws is None:
                    continue
                score = from_draws(value - other, np.asarray(draws - other_draws), "the same items for both")
                found.append(Difference(scope, measure, model, against, score))
    return found
