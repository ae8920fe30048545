"""What an embedder does when it is not told otherwise; saved with the model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """What ``encode`` does when it is not told otherwise; saved with the model.

    ``convention`` is "answerspace", or "published" for the aggregations of the InBedder authors' code where they
    differ from the paper. ``answer_tokens`` None leaves the number to the backbone.
    """

    aggregation: str = "mean_answer"
    layer: int = -1
    normalize: bool = True
    convention: str = "answerspace"
    answer_tokens: int | None = None
