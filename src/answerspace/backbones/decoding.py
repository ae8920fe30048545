"""Greedy and sampled decoding, one token at a time, that keeps the state behind every token.

Knows a ``step`` function only, not the model. Each row draws from its own generator, seeded by what identifies the
row, so neither batch size nor order changes an answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from answerspace.answers import Sampling

Step = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Decoded:
    """states (B, n, D) that predict ``ids`` (B, n); ``slots`` (B, n) is false after a row has stopped."""

    states: torch.Tensor
    ids: torch.Tensor
    slots: torch.Tensor


@dataclass(frozen=True)
class Draws:
    """Random numbers for a batch: ``uniforms`` (B, n) in [0, 1), one per row and token."""

    uniforms: torch.Tensor
    temperature: float
    top_p: float


def draws(
    sampling: Sampling | None, texts: Sequence[str], instructions: Sequence[str], steps: int, device: torch.device
) -> Draws | None:
    """The draws of each text under its instruction; None is greedy."""
    if sampling is None:
        return None
    rows = [
        np.random.default_rng(_seed(sampling, text, instruction)).random(steps)
        for text, instruction in zip(texts, instructions, strict=True)
    ]
    uniforms = torch.tensor(np.stack(rows), dtype=torch.float32, device=device)
    return Draws(uniforms, sampling.temperature, sampling.top_p)


def decode(
    state: torch.Tensor,
    scores: torch.Tensor,
    step: Step,
    *,
    steps: int,
    stop_ids: torch.Tensor,
    sampled: Draws | None = None,
    least: int = 1,
) -> Decoded:
    """Decode up to ``steps`` tokens. ``state`` (B, D) and ``scores`` (B, V) belong to the first.

    ``step(ids (B,), live (B,)) -> (state, scores)`` feeds the tokens; rows that are not live have stopped and are fed
    for the shape's sake only. A row stops after a token of ``stop_ids``; its slots end with the one that predicts
    that token, but there are ``least`` of them if ``steps`` allows.
    """
    ids = [_choose(scores, sampled, 0)]
    states, slots = [state], [torch.ones_like(ids[0], dtype=torch.bool)]
    live = ~torch.isin(ids[0], stop_ids)
    for n in range(1, steps):
        fed = live | (n < least)
        if not fed.any():
            break
        state, scores = step(ids[-1], fed)
        ids.append(_choose(scores, sampled, n))
        states.append(state)
        slots.append(fed)
        live = live & ~torch.isin(ids[-1], stop_ids)
    return Decoded(torch.stack(states, 1), torch.stack(ids, 1), torch.stack(slots, 1))


def _choose(scores: torch.Tensor, sampled: Draws | None, n: int) -> torch.Tensor:
    """(B, V) -> (B,): the best token, or one drawn from the smallest set whose probability reaches top_p."""
    if sampled is None:
        return scores.argmax(-1)
    probabilities = torch.softmax(scores.float() / sampled.temperature, -1)
    ranked, order = torch.sort(probabilities, dim=-1, descending=True, stable=True)
    total = ranked.cumsum(-1)
    nucleus = torch.where(total - ranked < sampled.top_p, ranked, 0)  # the token that reaches top_p is still in
    reach = nucleus.cumsum(-1)
    target = sampled.uniforms[:, n : n + 1] * reach[:, -1:]
    place = torch.searchsorted(reach, target, right=True).clamp_max(scores.shape[-1] - 1)
    last = (nucleus > 0).sum(-1, keepdim=True) - 1
    return order.gather(-1, torch.minimum(place, last)).squeeze(-1)


def _seed(sampling: Sampling, text: str, instruction: str) -> int:
    key = f"{sampling.seed}\0{sampling.draw}\0{instruction}\0{text}"
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=8).digest(), "big")
