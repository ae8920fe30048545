"""Prompt-based instruction embedding (PIE, arXiv 2409.19680) on any model that an Embedder can ask.

The instruction is put into a prompt that asks for its task; the embedding is the state that would begin the answer,
averaged over the model's last two layers, neither projected nor normalised. The bundled model answers questions
itself and needs no such prompt: see ``task_embedding``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from answerspace.answers import Answered, Array
from answerspace.embedder import DEFAULT_BATCH, Embedder
from answerspace.errors import InputError
from answerspace.prompts import Template

# The published prompts. What follows the instruction is asked last, so a reading of the instruction serves any ending.
PIE_OPENING = (
    "The essence of an instruction is its task intention. With this in mind, given the instruction below:\n\n"
    "{input}\n\n{instruction}"
)
PIE_ENDING = "after thinking step by step, the task of the given instruction is:"
SEMANTIC_OPENING = 'This sentence of "{input}" {instruction}'
SEMANTIC_ENDING = "means:"
PROMPTS: dict[str, tuple[Template, str]] = {
    "pie": (Template("pie", PIE_OPENING), PIE_ENDING),
    "semantic": (Template("semantic", SEMANTIC_OPENING), SEMANTIC_ENDING),
}

# state -> the layers whose states are averaged, as functions of the number of blocks
STATES: dict[str, Callable[[int], tuple[int, ...]]] = {
    "last-2": lambda layers: (layers - 1, layers),
    "last-1": lambda layers: (layers,),
    "last-and-first": lambda layers: (0, layers),
    "mid": lambda layers: (layers // 2,),
    "cls": lambda layers: (layers,),
}


class PieEncoder:
    """An Encoder of instructions by the task they ask for.

    ``embedder`` is made with the template of the prompt (``load_pie`` does it); ``state`` is a key of STATES: "last-2"
    is the paper's for causal models, "cls" (the first position of the last layer) its for BERT. Of a masked model
    the other states are those of the first mask, of an encoder-decoder model those of its first answer position.
    """

    def __init__(
        self, embedder: Embedder, *, prompt: str = "pie", state: str = "last-2", batch_size: int = DEFAULT_BATCH
    ) -> None:
        self.embedder = embedder
        self.ending = check_prompt(prompt)[1]
        if state not in STATES:
            raise InputError(f"state must be one of {', '.join(STATES)}. Got {state!r}.")
        if state == "cls" and embedder.backbone.kind != "masked":
            raise InputError(f"The state 'cls' is of masked models. Got a {embedder.backbone.kind} model; take last-2.")
        self.state = state
        self.batch_size = batch_size

    def encode(self, texts: Sequence[str], *, instruction: str | None = None, show_progress: bool = False) -> Array:
        """(n, d) vectors of n instructions, not normalised; ``instruction`` takes the place of the prompt's ending."""
        stopped = [with_stop(text) for text in texts]
        aggregation: Any = _first_position if self.state == "cls" else "first_answer"
        found = [
            self.embedder.encode(
                stopped,
                instruction or self.ending,
                aggregation=aggregation,
                layer=layer,
                normalize=False,
                batch_size=self.batch_size,
                show_progress=show_progress,
            )
            for layer in STATES[self.state](self.embedder.backbone.layers)
        ]
        return np.asarray(np.mean(found, axis=0), np.float32)


def load_pie(
    model: str, *, prompt: str = "pie", state: str = "last-2", batch_size: int = DEFAULT_BATCH, **options: Any
) -> PieEncoder:
    """PIE on a hub id or model folder; ``options`` are those of ``Embedder.load``."""
    embedder = Embedder.load(model, template=check_prompt(prompt)[0], **options)
    if embedder.backbone.kind == "bundled":
        raise InputError("PIE's prompt is for language models. The bundled model has a task embedding of its own.")
    return PieEncoder(embedder, prompt=prompt, state=state, batch_size=batch_size)


def check_prompt(prompt: str) -> tuple[Template, str]:
    """The template and the ending of a prompt of PROMPTS; InputError for another name."""
    if prompt not in PROMPTS:
        raise InputError(f"prompt must be one of {', '.join(PROMPTS)}. Got {prompt!r}.")
    return PROMPTS[prompt]


def with_stop(text: str) -> str:
    """The text with a full stop unless it ends in one of ``. ? " '``, as in the published code.

    >>> with_stop("Write a poem")
    'Write a poem.'
    """
    text = text.strip()
    return text if not text or text[-1] in ".?\"'" else text + "."


def _first_position(answered: Answered) -> Array:
    """(B, d) the state of each row's first position that is no padding."""
    first = answered.sequence_mask.argmax(1)
    return np.asarray(answered.states[np.arange(len(first)), first], np.float32)
