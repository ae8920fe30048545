"""The narrow waist: what is asked of a backbone, and what it gives back.

A state belongs to the answer when it *predicts* an answer token. For a causal model that is the last prompt
position and every generated position but the last; for a masked model the mask positions; for an encoder-decoder
the decoder positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn. Every text draws from its own generator, so batches do not change the draw.

    ``temperature`` > 0; ``top_p`` in (0, 1]: the smallest set of tokens whose probability reaches it; ``seed``
    and ``draw`` (0, 1, 2, ... for several samples of one text) fix the random numbers.
    """

    temperature: float = 0.6
    top_p: float = 0.9
    seed: int = 0
    draw: int = 0


@dataclass(frozen=True)
class Asking:
    """What is wanted of one pass.

    ``layer``: 0 is the embedding output, ``backbone.layers`` the last block; negative counts from the end.
    ``answer_tokens``: the most tokens a causal or encoder-decoder model generates; None is the backbone's own
    setting; 0 means no generation at all: only the state that predicts the first answer token is computed.
    Masked models and the bundled model answer in their fixed number of slots and ignore it.
    ``sampling``: None is greedy.
    ``prompt_states``: False when the aggregation looks at slots only; a backbone may then leave prompt positions out
    of the Answered, which saves the transfer and, for a causal model at an inner layer, a second pass over the text.
    ``words``: whether ``predicted`` and ``answers`` are wanted; without them a backbone that answers in fixed slots
    leaves -1 and "" there and saves the pass through its head.
    """

    layer: int = -1
    answer_tokens: int | None = None
    sampling: Sampling | None = None
    prompt_states: bool = True
    words: bool = True


@dataclass(frozen=True)
class Answered:
    """The states of one batch of B texts, each under its instruction, at one layer.

    states        (B, T, D) float32
    prompt_mask   (B, T)    states of the prompt (text, instruction, template) that predict no answer token
    slot_mask     (B, T)    every state that predicts a token, kept or not; at least one per row, in answer order
    answer_mask   (B, T)    the slots whose predicted token is kept: a subset of slot_mask, may be empty in a row
    sequence_mask (B, T)    every position that is not padding
    predicted     (B, T)    the token id a slot predicts; -1 elsewhere
    answers       B strings the answer in words, special tokens removed, stripped; may be ""

    Positions that are not in ``sequence_mask`` may hold any finite number.
    """

    states: Array
    prompt_mask: Mask
    slot_mask: Mask
    answer_mask: Mask
    sequence_mask: Mask
    predicted: Ids
    answers: list[str]
