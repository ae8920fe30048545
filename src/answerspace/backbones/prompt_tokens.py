"""Prompts as token ids: tokenised as published, cut so that only the text ever gets shorter.

The whole rendered prompt is tokenised as one plain string, so for ordinary text the ids are those of the published
code. Two things differ from calling a tokenizer on it: special tokens are recognised in the template's literals only,
never inside a text or an instruction, and when a prompt is too long the text is cut, not the prompt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from answerspace.errors import InputError, ModelError
from answerspace.prompts import INBEDDER, Piece, Template

Truncation = Literal["head", "tail"]
TRUNCATIONS = ("head", "tail")
RESERVE = 64  # tokens kept free for an ordinary question, so that the text is cut alike under most questions
REMEMBERED = 4096  # texts, and instructions, whose lengths are known without tokenising them again


@dataclass(frozen=True)
class PromptOptions:
    """How prompts are made.

    ``truncation``: which end of a long text is KEPT. "head" is the default: the InBedder models were trained on the
    heads of long texts (their own evaluation kept the tails), and a kept head is the same under every question, so a
    reading stays valid. ``max_length``: tokens of the prompt, special tokens and answer slots together; None is 512
    or what the model holds, if that is less. ``reserve``: tokens kept free for the instruction; a longer instruction
    takes more from the text. ``convention`` "published" cuts whole prompts as the authors' code does: from the left,
    keeping the opening special tokens, for causal and masked models; from the right for encoder-decoders.
    """

    template: Template = INBEDDER
    truncation: Truncation = "head"
    max_length: int | None = None
    reserve: int = RESERVE
    convention: str = "answerspace"

    def __post_init__(self) -> None:
        if self.truncation not in TRUNCATIONS:
            raise InputError(f"truncation must be one of {', '.join(TRUNCATIONS)}. Got {self.truncation!r}.")
        if self.max_length is not None and self.max_length < 1:
            raise InputError(f"max_length must be at least 1. Got {self.max_length}.")


@dataclass(frozen=True)
class Frame:
    """The special tokens a tokenizer puts around one string, and between two."""

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]


class PromptTokens:
    """Turns (text, instruction) into ids. ``capacity``: the most positions the model holds, None if unlimited.

    ``slots``: positions that the answer needs inside ``max_length`` (masks, or tokens to generate). ``keep_after``:
    whether the tokenizer's closing special tokens end the prompt; a causal model's answer follows the prompt directly.
    ``cut_from``: the side that the published convention cuts.
    """

    def __init__(
        self,
        tokenizer: Any,
        options: PromptOptions,
        *,
        capacity: int | None = None,
        slots: int = 0,
        keep_after: bool = True,
        cut_from: Literal["left", "right"] = "left",
    ) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise ModelError(
                f"The model must have a fast tokenizer (tokenizer.json). Got {type(tokenizer).__name__}; "
                "save it once with transformers' AutoTokenizer.from_pretrained(..., use_fast=True)."
            )
        self.tokenizer = tokenizer
        self.options = options
        self.template = options.template
        self.slots = slots
        self.max_length = _checked_length(options.max_length, capacity)
        self.specials = special_tokens(tokenizer)
        frame = _frame(tokenizer, pair=self.template.pair)
        self.frame = frame if keep_after else Frame(frame.before, frame.between, ())
        self._cut_from = cut_from
        self._empty_length = self._count("", "")
        self._lengths: dict[str, int] = {}
        self._cuts: dict[tuple[str, int], slice] = {}

    def before_question(self, text: str) -> list[int]:
        """Ids of all that precedes the instruction: what a causal model can read before it is asked."""
        if self.options.convention == "published":
            cut = text
        else:
            cut = self._cut(text, self._text_budget(self._empty_length, self.slots))
        pieces = self.template.pieces(cut, "")
        place = next(i for i, piece in enumerate(pieces) if piece.role == "instruction")
        ids = [*self.frame.before, *self._ids(pieces[:place])]
        return ids[: self.max_length]

    def prompt(self, text: str, instruction: str, slots: int | None = None) -> tuple[list[int], list[int]]:
        """(ids before the answer, ids after it: the closing special tokens).

        Raises InputError when the instruction alone does not fit.
        """
        slots = self.slots if slots is None else max(slots, self.slots)
        if self.options.convention == "published":
            return self._published(text, instruction), list(self.frame.after)
        need = self._need(instruction)
        room = self.max_length - slots
        if need > room:
            raise InputError(
                f"An instruction must fit into max_length with its template. Got {need} tokens for {room}: "
                f"{instruction!r:.60}; shorten it or raise max_length."
            )
        budget = self._text_budget(need, slots)
        while True:
            cut = self._cut(text, budget)
            ids = self._open(cut, instruction)
            excess = len(ids) + len(self.frame.after) - room
            if excess <= 0 or not cut:
                return ids, list(self.frame.after)
            budget -= excess

    def segments(self, ids: list[int], tail: int) -> list[int]:
        """Token type ids of ``ids`` plus ``tail`` more: 1 from the second segment of a pair on, else 0."""
        if not self.template.pair:
            return [0] * (len(ids) + tail)
        between = list(self.frame.between)
        width = len(between)
        seam = next((i for i in range(len(ids) - width, 0, -1) if ids[i : i + width] == between), len(ids) - width)
        return [0] * (seam + width) + [1] * (len(ids) + tail - seam - width)

    # --- steps ---------------------------------------------------------------------------------------------------

    def _open(self, text: str, instruction: str) -> list[int]:
        """Opening special tokens and the prompt."""
        pieces = self.template.pieces(text, instruction)
        if not self.template.pair:
            return [*self.frame.before, *self._ids(pieces)]
        first, second = pieces
        return [*self.frame.before, *self._ids([first]), *self.frame.between, *self._ids([second])]

    def _published(self, text: str, instruction: str) -> list[int]:
        ids = self._open(text, instruction)
        room = self.max_length - self.slots - len(self.frame.after)
        if len(ids) <= room:
            return ids
        if self._cut_from == "right":
            return ids[:room]
        opening = len(self.frame.before)
        return ids[:opening] + ids[len(ids) - (room - opening) :]

    def _text_budget(self, need: int, slots: int) -> int:
        reserve = min(self.options.reserve + self._empty_length, self.max_length // 2)
        return self.max_length - slots - max(reserve, need)

    def _need(self, instruction: str) -> int:
        """Tokens of a prompt without its text."""
        if instruction not in self._lengths:
            if len(self._lengths) >= REMEMBERED:
                self._lengths.clear()
            self._lengths[instruction] = self._count("", instruction)
        return self._lengths[instruction]

    def _count(self, text: str, instruction: str) -> int:
        if self.template.pair:
            return len(self._open(text, instruction)) + len(self.frame.after)
        full = Template(self.template.name, self.template.form).pieces(text, instruction)  # never the short form
        return len(self.frame.before) + len(self._ids(full)) + len(self.frame.after)

    def _cut(self, text: str, budget: int) -> str:
        """The kept end of a text with about ``budget`` tokens, cut between two characters."""
        if budget <= 0:
            return ""
        if len(text.encode("utf-8", "replace")) < budget:
            return text  # a token is at least one byte
        if (text, budget) not in self._cuts:  # every further question comes with the same texts
            if len(self._cuts) >= REMEMBERED:
                self._cuts.clear()
            offsets = self._encode(text, True, offsets=True)["offset_mapping"]
            kept = slice(0, None)
            if len(offsets) > budget:
                head = self.options.truncation == "head"
                kept = slice(0, offsets[budget - 1][1]) if head else slice(offsets[-budget][0], None)
            self._cuts[text, budget] = kept
        return text[self._cuts[text, budget]]

    def _ids(self, pieces: list[Piece]) -> list[int]:
        """Ids of consecutive pieces tokenised as one string; only literals may hold special tokens."""
        literal = any(token in piece.text for piece in pieces if piece.role == "literal" for token in self.specials)
        foreign = any(token in piece.text for piece in pieces if piece.role != "literal" for token in self.specials)
        if not (literal and foreign):
            whole = "".join(piece.text for piece in pieces)
            return list(self._encode(whole, split=not literal)["input_ids"]) if whole else []
        ids: list[int] = []
        for piece in pieces:  # the string is only taken apart when it must be
            ids += self._encode(piece.text, split=piece.role != "literal")["input_ids"]
        return ids

    def _encode(self, text: str, split: bool, offsets: bool = False) -> Any:
        return self.tokenizer(
            text,
            add_special_tokens=False,
            split_special_tokens=split,
            return_offsets_mapping=offsets,
            return_attention_mask=False,
            return_token_type_ids=False,
            truncation=False,
            verbose=False,
        )


def special_tokens(tokenizer: Any) -> list[str]:
    """Every token that a tokenizer would recognise as special inside a string."""
    added = [str(token.content) for token in tokenizer.added_tokens_decoder.values() if token.special]
    return sorted({*added, *map(str, tokenizer.all_special_tokens)})


def _frame(tokenizer: Any, *, pair: bool) -> Frame:
    """Found by looking at what the tokenizer does to a probe, so any post-processor will do."""
    probe = ("a", "a") if pair else ("a",)
    encoded = tokenizer(*probe)
    owners = encoded.sequence_ids(0)
    ids = list(encoded["input_ids"])
    first = [i for i, owner in enumerate(owners) if owner == 0]
    second = [i for i, owner in enumerate(owners) if owner == 1] or first
    return Frame(
        tuple(ids[: first[0]]),
        tuple(ids[first[-1] + 1 : second[0]]) if pair else (),
        tuple(ids[second[-1] + 1 :]),
    )


def _checked_length(max_length: int | None, capacity: int | None) -> int:
    if max_length is None:
        return min(512, capacity or 512)
    if capacity is not None and max_length > capacity:
        raise InputError(f"max_length must be at most {capacity} for this model. Got {max_length}.")
    return max_length
