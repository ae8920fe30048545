"""Training examples of a language model: the prompt that it will be asked with, the answer, and what is scored.

    causal    prompt + answer + end                 the answer and its end are scored
    masked    prompt + one mask per answer token    the masks are scored, all predicted at once
    seq2seq   prompt -> answer + end                the answer and its end are scored

The prompt's ids come from the same ``PromptTokens`` that the trained model is asked through, so a text is cut at the
same place in training and afterwards; the answer has its tokens on top.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from answerspace.backbones.prompt_tokens import PromptTokens
from answerspace.backbones.torch_model import padded
from answerspace.errors import InputError, ModelError
from answerspace.training.qa_rows import QA

UNSCORED = -100  # torch's cross-entropy leaves these labels out


class Asker(Protocol):
    """What is used of a backbone: a transformers model, its tokenizer and its prompts."""

    kind: str
    model: Any
    tokenizer: Any
    pad_id: int
    prompts: PromptTokens

    def token_ids(self, text: str) -> list[int]:
        """Ids of the string as it stands, without special tokens."""
        ...


class Example(NamedTuple):
    """``ids`` go in; ``labels`` are as long as the ids, or for an encoder-decoder the answer's own."""

    ids: list[int]
    labels: list[int]
    segments: list[int]


class _Parts(NamedTuple):
    before: list[int]
    after: list[int]
    answer: list[int]
    end: list[int]  # empty where the answer was cut short


class ExampleMaker:
    """Makes an Example of a row. ``answer_length`` bounds the answer with its end token."""

    def __init__(self, asker: Asker, answer_length: int) -> None:
        if asker.kind not in EXAMPLES:
            raise ModelError(f"A model to train must be of the kinds {', '.join(EXAMPLES)}. Got {asker.kind}.")
        if asker.tokenizer.eos_token_id is None and asker.kind != "masked":
            raise ModelError("A model's tokenizer must have an end token, which ends an answer. This one has none.")
        self.asker = asker
        self.answer_length = answer_length
        last = asker.prompts.template.pieces("a", "a")[-1]
        self._cue = last.text if last.role == "literal" else ""  # such as "### Response:"
        self._cue_ids = asker.token_ids(self._cue)

    def __call__(self, row: QA) -> Example:
        """The row's ids and labels. Raises InputError when the question does not fit."""
        before, after = self.asker.prompts.prompt(row.text, row.question)
        answer, end = self.answer(row.answer)
        make = EXAMPLES[self.asker.kind]
        ids, labels = make(self.asker, _Parts(before, after, answer, end))
        return Example(ids, labels, self.asker.prompts.segments(before, len(ids) - len(before)))

    def answer(self, answer: str) -> tuple[list[int], list[int]]:
        """(ids of the answer as it follows the prompt, its end token); no end where the answer was cut short.

        Tokenised together with the cue before it, as generated: "### Response:Boston" has no space.
        """
        whole, width = self.asker.token_ids(self._cue + answer), len(self._cue_ids)
        ids = whole[width:] if whole[:width] == self._cue_ids else self.asker.token_ids(answer)
        tokenizer = self.asker.tokenizer
        ending = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.sep_token_id
        if len(ids) >= self.answer_length:
            return ids[: self.answer_length], []
        return ids, [ending]

    def fits(self, row: QA) -> bool:
        """Whether the question fits into a prompt."""
        if len(row.question.encode("utf-8", "replace")) < self.asker.prompts.max_length // 2:
            return True
        try:
            self.asker.prompts.prompt("", row.question)
        except InputError:
            return False
        return True


def _causal(asker: Asker, parts: _Parts) -> tuple[list[int], list[int]]:
    answer = [*parts.answer, *parts.end]
    return [*parts.before, *answer], [UNSCORED] * len(parts.before) + answer


def _masked(asker: Asker, parts: _Parts) -> tuple[list[int], list[int]]:
    answer = parts.answer or parts.end
    masks = [asker.tokenizer.mask_token_id] * len(answer)
    labels = [UNSCORED] * len(parts.before) + answer + [UNSCORED] * len(parts.after)
    return [*parts.before, *masks, *parts.after], labels


def _seq2seq(asker: Asker, parts: _Parts) -> tuple[list[int], list[int]]:
    forced = asker.model.generation_config.forced_bos_token_id  # BART answers begin with it
    return [*parts.before, *parts.after], [*([] if forced is None else [forced]), *parts.answer, *parts.end]


EXAMPLES: dict[str, Callable[[Asker, _Parts], tuple[list[int], list[int]]]] = {
    "causal": _causal,
    "masked": _masked,
    "seq2seq": _seq2seq,
}


class Examples(torch.utils.data.Dataset[Example]):
    """Rows as examples, made when they are asked for."""

    def __init__(self, rows: Sequence[QA], make: ExampleMaker) -> None:
        self.rows = rows
        self.make = make

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> Example:
        return self.make(self.rows[place])


class Collator:
    """Examples of one batch as tensors, padded on the right."""

    def __init__(self, asker: Asker) -> None:
        self.pad_id = asker.pad_id
        self.segments = "token_type_ids" in asker.tokenizer.model_input_names

    def __call__(self, examples: Sequence[Example]) -> dict[str, Tensor]:
        """input_ids, attention_mask (B, T) and labels (B, T) or (B, answer)."""
        ids, mask = padded([example.ids for example in examples], self.pad_id)
        labels, _ = padded([example.labels for example in examples], UNSCORED)
        arrays = {"input_ids": ids, "attention_mask": mask.astype("int64"), "labels": labels}
        if self.segments:
            arrays["token_type_ids"] = padded([example.segments for example in examples], 0)[0]
        return {name: torch.from_numpy(array) for name, array in arrays.items()}
