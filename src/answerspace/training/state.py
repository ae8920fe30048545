"""Where a training run stands."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class State:
    """The place in the data and what later steps need. ``seconds`` is training time so far, over all sittings.

    ``best`` is the best dev score so far, ``no_better`` how many in a row were not above it.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    questions: int = 0
    best: float | None = None
    no_better: int = 0
    memory: Tensor = field(default_factory=lambda: torch.zeros(0, 0))
