from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from answerspace import Embedder
from answerspace.answer_filter import AnswerFilter
from answerspace.answers import Answered
from answerspace.backbones.fake import FakeBackbone
from answerspace.stop_words import ENGLISH_STOP_WORDS


class Pieces(FakeBackbone):
    """A vocabulary of given tokens; an id is a place in it."""

    def __init__(self, vocabulary: list[str]) -> None:
        super().__init__()
        self.vocabulary = vocabulary

    def tokens(self, ids: Sequence[int]) -> list[str]:
        return [self.vocabulary[i] for i in ids]

    def token_ids(self, text: str) -> list[int]:
        return [i for i, token in enumerate(self.vocabulary) if token in text]


def kept(tokens: list[str], question: str, chosen: AnswerFilter) -> list[str]:
    """The tokens of an answer that a filter leaves; the row is a prompt position, the tokens and a padding one."""
    ids = np.array([[-1, *range(len(tokens)), -1]])
    slots = ids >= 0
    states = np.zeros((1, len(tokens) + 2, 1), np.float32)
    row = Answered(states, ~slots, slots, slots.copy(), slots, ids, ["".join(tokens)])
    narrowed = chosen.narrow(row, [question], Pieces(tokens))
    assert row.answer_mask.sum() == len(tokens)  # the input is not mutated
    assert not (narrowed.answer_mask & ~row.answer_mask).any()
    return [tokens[i] for i in ids[narrowed.answer_mask]]


@pytest.mark.parametrize(
    ("tokens", "left"),
    [
        (["The", " soup", " was", " cold"], [" soup", " cold"]),
        ([" the", "sis"], [" the", "sis"]),  # "the" is only a piece of a word
        ([" sis", "the"], [" sis", "the"]),
        ([" don", "'t", " stop"], [" stop"]),  # a banned word of two tokens
        ([" custom", "er", " service"], [" service"]),  # a word of the question
        (["Based", " on", " food"], [" food"]),
        (["Based", " food", "!"], ["Based", " food", "!"]),
        (["Sure", "!", " Food", "!"], [" Food", "!"]),
        (["Sure", " thing"], ["Sure", " thing"]),
        (["the", "."], ["."]),
        ([], []),
    ],
)
def test_only_whole_words_are_taken_out(tokens: list[str], left: list[str]) -> None:
    assert kept(tokens, "What does the customer need?", AnswerFilter()) == left


def test_each_part_can_be_switched_off() -> None:
    tokens = ["Based", " on", " the", " customer"]
    assert kept(tokens, "customer?", AnswerFilter(phrases=())) == ["Based", " customer"][:1]
    assert kept(tokens, "customer?", AnswerFilter(stop_words=False)) == [" the"]
    assert kept(tokens, "customer?", AnswerFilter(instruction_words=False)) == [" customer"]
    assert kept(tokens, "customer?", AnswerFilter(False, False, ())) == tokens


def test_the_published_filter_bans_ids_and_so_pieces_of_words() -> None:
    tokens = ["the", "sis", " food"]
    assert kept(tokens, "thesis?", AnswerFilter(published=True)) == [" food"]
    assert kept(tokens, "?", AnswerFilter(published=True, stop_words=False)) == tokens


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        ("Based on the text, the customer needs a refund.", "text, needs refund."),
        ("Sure! cold soup", "cold soup"),
        ("the", ""),
        ("", ""),
        ("Don't know", "know"),
        ("thesis", "thesis"),
    ],
)
def test_words_are_taken_out_of_answers(answer: str, left: str) -> None:
    one = np.zeros((1, 1), bool)
    row = Answered(np.zeros((1, 1, 1), np.float32), one, ~one, ~one, ~one, np.zeros((1, 1), np.int64), [answer])
    assert AnswerFilter().narrow_words(row, ["What does the customer want?"]).answers == [left]
    assert row.answers == [answer]


def test_a_filtered_answer_is_an_empty_answer() -> None:
    embedder = Embedder(FakeBackbone({"Is it?": {"x": "not the soup", "y": "the not"}}))
    plain = embedder.encode(["x", "y"], "Is it?", answer_filter=AnswerFilter())
    assert plain[0] @ embedder.encode("x", "Is it?", aggregation="last_answer") == pytest.approx(1)
    assert plain[1] @ embedder.encode("y", "Is it?", aggregation="first_answer") == pytest.approx(1)


def test_the_stop_words_are_those_of_nltk() -> None:
    assert len(ENGLISH_STOP_WORDS) == 179
    assert {"i", "not", "wouldn't", "against"} < ENGLISH_STOP_WORDS
