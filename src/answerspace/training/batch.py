"""From texts, questions and answers to the tensors of one training step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from tokenizers import Tokenizer
from torch import Tensor

from answerspace.engines.bundled_config import BundledConfig, special_ids
from answerspace.training.answer_words import content_words
from answerspace.training.recipe import DataRecipe
from answerspace.training.rows import ITSELF, Asked

NO_WORD = -100
"""What cross-entropy leaves out."""


class Batch(NamedTuple):
    """N texts and their Q questions. ``owner[q]`` is the text of question q; ``slots`` index its mask tokens."""

    text_ids: Tensor  # (N, L)
    text_mask: Tensor  # (N, L)
    owner: Tensor  # (Q,)
    question_ids: Tensor  # (Q, T)
    question_mask: Tensor  # (Q, T)
    slots: Tensor  # (Q, slots)
    words: Tensor  # (Q, slots) first tokens of the answers, [SEP] after their end; NO_WORD where there are none
    answers: list[str]  # Q, content words only; ITSELF where the text is its own answer
    pairs: list[tuple[str, str]]  # Q, the text and its question as they stand in the data
    criteria: Tensor  # (Q,) equal numbers where two questions ask for the same thing, perhaps in other words


class BatchMaker:
    """Tokenises. The special tokens are looked up once."""

    def __init__(self, tokenizer: Tokenizer, config: BundledConfig, data: DataRecipe) -> None:
        self.tokenizer = tokenizer
        self.config = config
        self.data = data
        self.cls, self.sep, self.mask, self.pad = special_ids(tokenizer)

    def __call__(self, rows: Sequence[Asked]) -> Batch:
        """One step's tensors."""
        text_ids, text_mask = self.texts([row.text for row in rows])
        owner = [i for i, row in enumerate(rows) for _ in row.qa]
        questions = [question for row in rows for question, _ in row.qa]
        answers = [content_words(answer) for row in rows for _, answer in row.qa]
        question_ids, question_mask, slots = self.questions(questions)
        words = torch.tensor([self.first_tokens(answer) for answer in answers])
        pairs = [(row.text, question) for row in rows for question, _ in row.qa]
        owners = torch.tensor(owner)
        number: dict[str, int] = {}
        criteria = torch.tensor([number.setdefault(name, len(number)) for row in rows for name in row.asked_for()])
        return Batch(text_ids, text_mask, owners, question_ids, question_mask, slots, words, answers, pairs, criteria)

    def texts(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Ids and mask (N, L) of ``[CLS] text [SEP]``, cut at the recipe's length."""
        keep = self.data.text_length - 2
        return self._padded([[self.cls, *ids[:keep], self.sep] for ids in self._ids(texts)])

    def questions(self, questions: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """Ids and mask (Q, T) of ``question [SEP] [MASK] ...`` and the places (Q, slots) of the masks."""
        keep, slots = self.data.question_length, [self.mask] * self.config.slots
        rows = [[*ids[:keep], self.sep, *slots] for ids in self._ids(questions)]
        places = torch.tensor([list(range(len(row) - len(slots), len(row))) for row in rows])
        return *self._padded(rows), places

    def first_tokens(self, answer: str) -> list[int]:
        """The answer's first tokens, one a slot; ``[SEP]`` where it has ended."""
        n = self.config.slots
        if answer == ITSELF:
            return [NO_WORD] * n
        return (self.tokenizer.encode(answer, add_special_tokens=False).ids + [self.sep] * n)[:n]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [e.ids for e in self.tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def _padded(self, rows: list[list[int]]) -> tuple[Tensor, Tensor]:
        longest = max(len(row) for row in rows)
        ids = torch.tensor([row + [self.pad] * (longest - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        return ids, mask
