"""From the states of an Answered to one vector per text: pure functions, (B, T, D) states and masks in, (B, D) out.

What each takes, and what it does when the answer is empty (no slot is kept: the model answered nothing, only special
tokens, or the filter removed every word). Decided once: **an empty answer is represented by its first slot**, the
state in which the model was about to answer.

| name         | states                            | empty answer               | generates |
|--------------|-----------------------------------|----------------------------|-----------|
| mean_prompt  | mean of prompt states             | the same                   | no        |
| mean_answer  | mean of kept slots                | first slot                 | yes       |
| first_answer | first slot, kept or not           | first slot                 | no        |
| last_answer  | last kept slot                    | first slot                 | yes       |
| mean_all     | mean of prompt states, kept slots | prompt states, first slot  | yes       |

A prompt without states (impossible with a real template) gives a zero vector under mean_prompt.

``PUBLISHED`` holds, per kind of backbone, what the code of the InBedder authors (zhang-yu-wei/InBedder, commit
3d95d4fa) computes where it differs from the above; a kind or name that is not there is as above, a name that their
code does not have for a kind is None.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from answerspace.answers import Answered, Array, Mask, Sampling
from answerspace.errors import InputError

Function: TypeAlias = Callable[[Answered], Array]


# --- the five ----------------------------------------------------------------------------------------------------


def mean_prompt(answered: Answered) -> Array:
    """The mean over the prompt's states that predict no answer token (avg-ppt)."""
    return _masked_mean(answered.states, answered.prompt_mask)


def mean_answer(answered: Answered) -> Array:
    """The mean over the kept slots (avg-gen)."""
    return _masked_mean(answered.states, kept_slots(answered))


def first_answer(answered: Answered) -> Array:
    """The state that predicts the first answer token (1st-gen): one forward pass, independent of the answer."""
    return _pick(answered.states, answered.slot_mask.argmax(1))


def last_answer(answered: Answered) -> Array:
    """The state that predicts the last kept answer token (last-gen)."""
    return _pick(answered.states, _last(kept_slots(answered)))


def mean_all(answered: Answered) -> Array:
    """The mean over prompt states and kept slots together (avg-all)."""
    return _masked_mean(answered.states, answered.prompt_mask | kept_slots(answered))


def kept_slots(answered: Answered) -> Mask:
    """(B, T): the answer's slots, or the first slot of a row whose answer is empty."""
    mask = answered.answer_mask.copy()
    empty = ~mask.any(1)
    mask[empty, answered.slot_mask[empty].argmax(1)] = True
    return mask


# --- the authors' code, where it differs -------------------------------------------------------------------------


def published_causal_mean_answer(answered: Answered) -> Array:
    """The mean of h^N and G: the first slot is always in, whatever it predicts."""
    return _masked_mean(answered.states, _first_slot(answered) | _published_later_slots(answered))


def published_causal_last_answer(answered: Answered) -> Array:
    """The last state of G, which never holds the first slot unless there is no second."""
    return _pick(answered.states, _last(_published_later_slots(answered)))


def published_causal_mean_all(answered: Answered) -> Array:
    """The mean of every prompt state, h^N included, and G."""
    mask = answered.prompt_mask | _first_slot(answered) | _published_later_slots(answered)
    return _masked_mean(answered.states, mask)


def published_masked_mean_answer(answered: Answered) -> Array:
    """The mean of all mask states, whatever they predict."""
    return _masked_mean(answered.states, answered.slot_mask)


def published_masked_mean_all(answered: Answered) -> Array:
    """The mean over everything that is not padding, the closing special token included."""
    return _masked_mean(answered.states, answered.sequence_mask)


def published_seq2seq_first_answer(answered: Answered) -> Array:
    """The first *kept* decoder state, the first slot if none is kept."""
    return _pick(answered.states, kept_slots(answered).argmax(1))


def _published_later_slots(answered: Answered) -> Mask:
    """The authors' G: kept slots after the first; if there are none the second slot, kept or not.

    Their code fails when there is no second slot (one-token budget); here the first slot stands in.
    """
    first = _first_slot(answered)
    later = answered.answer_mask & ~first
    rest = answered.slot_mask & ~first
    for row in np.flatnonzero(~later.any(1)):
        later[row, (rest if rest[row].any() else first)[row].argmax()] = True
    return later


AGGREGATIONS: dict[str, Function] = {
    "mean_prompt": mean_prompt,
    "mean_answer": mean_answer,
    "first_answer": first_answer,
    "last_answer": last_answer,
    "mean_all": mean_all,
}
PUBLISHED: dict[str, dict[str, Function | None]] = {
    "causal": {
        "mean_answer": published_causal_mean_answer,
        "last_answer": published_causal_last_answer,
        "mean_all": published_causal_mean_all,
    },
    "masked": {
        "mean_answer": published_masked_mean_answer,
        "mean_all": published_masked_mean_all,
        "first_answer": None,
        "last_answer": None,
    },
    "seq2seq": {"first_answer": published_seq2seq_first_answer, "mean_all": None},
}
ALIASES: dict[str, str] = {
    "avg_ppt": "mean_prompt",
    "avg_gen": "mean_answer",
    "1st_gen": "first_answer",
    "fst_gen": "first_answer",
    "first_gen": "first_answer",
    "last_ppt": "first_answer",
    "last_gen": "last_answer",
    "avg_all": "mean_all",
    "re_encode": "reencode",
    "re_enc": "reencode",
}
CONVENTIONS = ("answerspace", "published")
_NO_GENERATION = (mean_prompt, first_answer)
_PROMPT_STATES_UNUSED = (
    mean_answer,
    first_answer,
    last_answer,
    published_causal_mean_answer,
    published_causal_last_answer,
    published_masked_mean_answer,
    published_seq2seq_first_answer,
)


# --- re-encoding -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reencode:
    """Answers in words, put through another encoder: (1/samples) Σ encoder(answer), the mean not re-normalised.

    ``encoder``: anything with ``encode(texts)`` giving (n, d): sentence-transformers, or an ``Embedder`` (asked
    without instruction). The authors used one sample at temperature 0.6, and ten at 0.8 in their best runs.
    An empty answer is encoded as the empty string.
    """

    encoder: Any
    samples: int = 1
    temperature: float = 0.6
    top_p: float = 0.9
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.encoder, str) or not hasattr(self.encoder, "encode"):  # a string has an encode of its own
            raise InputError(f"encoder must have a method encode(texts). Got {type(self.encoder).__name__}.")
        if self.samples < 1:
            raise InputError(f"samples must be at least 1. Got {self.samples}.")
        if self.temperature <= 0 or not 0 < self.top_p <= 1:
            raise InputError(
                "temperature must be above 0 and top_p in (0, 1]. "
                f"Got temperature={self.temperature}, top_p={self.top_p}."
            )

    def samplings(self) -> list[Sampling]:
        """One Sampling per sample, draws 0 to samples - 1."""
        return [Sampling(self.temperature, self.top_p, self.seed, draw) for draw in range(self.samples)]

    def mean(self, answers: Sequence[Sequence[str]]) -> Array:
        """N lists of B answers -> (B, D). Equal strings are encoded once."""
        distinct = list(dict.fromkeys(answer for draw in answers for answer in draw))
        place = {answer: i for i, answer in enumerate(distinct)}
        rows = np.array([[place[answer] for answer in draw] for draw in answers], np.intp)  # (N, B)
        vectors = self._encode(distinct)
        return np.asarray(vectors[rows].mean(0), np.float32)

    def _encode(self, texts: list[str]) -> Array:
        parameters = inspect.signature(self.encoder.encode).parameters
        options = {"instruction": None} if "instruction" in parameters else {}
        vectors = np.asarray(self.encoder.encode(texts, **options), np.float32)
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise InputError(f"encoder.encode must give one row per text. Got {vectors.shape} for {len(texts)} texts.")
        return vectors


Aggregation: TypeAlias = str | Function | Reencode


# --- choosing ----------------------------------------------------------------------------------------------------


def canonical_name(name: str) -> str:
    """The package's name for an aggregation, from its own or the authors' spelling ("avg-gen", "1st_gen", ...)."""
    plain = name.strip().lower().replace("-", "_")
    return ALIASES.get(plain, plain)


def resolve_aggregation(aggregation: Aggregation, convention: str, kind: str) -> tuple[Function, Reencode | None, bool]:
    """(function, the Reencode or None, whether answer tokens must be generated).

    Raises InputError for an unknown name or convention, and under "published" for an aggregation that the authors'
    code does not have for this kind of backbone.
    """
    if convention not in CONVENTIONS:
        raise InputError(f"convention must be one of {', '.join(CONVENTIONS)}. Got {convention!r}.")
    if isinstance(aggregation, Reencode):
        return mean_answer, aggregation, True
    if not isinstance(aggregation, str):
        if not callable(aggregation):
            raise InputError(f"aggregation must be a name, a function or a Reencode. Got {aggregation!r:.60}.")
        return aggregation, None, aggregation not in _NO_GENERATION
    function = _by_name(aggregation, convention, kind)
    return function, None, function not in _NO_GENERATION


def needs_prompt_states(function: Function) -> bool:
    """Whether an aggregation looks at prompt states; a function that is not ours may."""
    return function not in _PROMPT_STATES_UNUSED


def _by_name(aggregation: str, convention: str, kind: str) -> Function:
    name = canonical_name(aggregation)
    if name == "reencode":
        raise InputError(
            "Re-encoding needs an encoder for the answers. Got only the name; pass aggregation=Reencode(encoder=...)."
        )
    if name not in AGGREGATIONS:
        raise InputError(
            f"aggregation must be one of {', '.join(AGGREGATIONS)}, a Reencode or a function. Got {aggregation!r}."
        )
    published = PUBLISHED.get(kind, {}) if convention == "published" else {}
    function = published.get(name, AGGREGATIONS[name])
    if function is None:
        there = [other for other in AGGREGATIONS if published.get(other, AGGREGATIONS[other]) is not None]
        raise InputError(
            f"Under the published convention a {kind} model has {', '.join(there)}. Got {name}; "
            "load with convention='answerspace' to use it."
        )
    return function


# --- arithmetic --------------------------------------------------------------------------------------------------


def _masked_mean(states: Array, mask: Mask) -> Array:
    """(B, T, D), (B, T) -> (B, D); a row with no position is zero. Positions outside the mask are never read."""
    kept = np.where(mask[..., None], states, 0)
    counts = np.maximum(mask.sum(1), 1)[:, None]
    return np.asarray(kept.sum(1) / counts, np.float32)


def _pick(states: Array, positions: np.ndarray) -> Array:
    """(B, T, D), (B,) -> (B, D)."""
    return np.asarray(states[np.arange(len(states)), positions], np.float32)


def _last(mask: Mask) -> np.ndarray:
    """The last true position of each row."""
    return np.asarray(mask.shape[1] - 1 - mask[:, ::-1].argmax(1))


def _first_slot(answered: Answered) -> Mask:
    """(B, T), true at the first slot of each row."""
    mask = np.zeros_like(answered.slot_mask)
    mask[np.arange(len(mask)), answered.slot_mask.argmax(1)] = True
    return mask
