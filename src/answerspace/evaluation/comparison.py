"""Several encoders under the same tests, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from answerspace.evaluation.published import evaluate_published
from answerspace.evaluation.scores import Score
from answerspace.evaluation.tasks import Clusters
from answerspace.evaluation.written import WrittenSuite, evaluate_written
from answerspace.protocols import Encoder


def compare(
    encoders: Mapping[str, Callable[[], Encoder]],
    suite: WrittenSuite,
    sets: Sequence[Clusters] = (),
    *,
    seeds: int = 10,
    centre: bool = False,
    tell: Callable[[str], None] = lambda note: None,
) -> dict[str, dict[str, Score]]:
    """Scores by encoder and measure. Each encoder is made when its turn comes, so one is in memory at a time."""
    scores = {}
    for name, make in encoders.items():
        start = time.perf_counter()
        encoder = make()
        scores[name] = evaluate_written(encoder, suite, seeds=seeds, centre=centre)
        scores[name] |= evaluate_published(encoder, list(sets), seeds=seeds, centre=centre)
        tell(f"{name}: scored in {time.perf_counter() - start:.0f} s")
    return scores
