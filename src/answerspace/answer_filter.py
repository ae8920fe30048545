"""The answer filter: words that say nothing about the text are taken out of the answer.

InBedder (arXiv 2402.09642, Fig. 3) drops stop words, the instruction's own words and stock phrases. Here only whole
words are dropped: "the" bans the word "the", never the first piece of "thesis".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from answerspace.answers import Answered, Mask
from answerspace.protocols import Backbone
from answerspace.stop_words import ENGLISH_STOP_WORDS

_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


@dataclass(frozen=True)
class AnswerFilter:
    """What is taken out of an answer.

    ``stop_words``: NLTK's English list. ``instruction_words``: every word of the question. ``phrases``: word
    sequences, matched without regard to case. An answer that loses all its words is an empty answer.
    ``published``: the authors' way for states: every token id of any of these strings is banned, so pieces of words
    too. Re-encoding always removes whole words.
    """

    stop_words: bool = True
    instruction_words: bool = True
    phrases: tuple[str, ...] = ("Based on", "Sure!")
    published: bool = False

    def narrow(self, answered: Answered, instructions: Sequence[str], backbone: Backbone) -> Answered:
        """The Answered with a smaller ``answer_mask``; one instruction per row. ``answers`` stay as they were."""
        keep = self._keep_ids if self.published else self._keep_words
        mask = answered.answer_mask & keep(answered, instructions, backbone)
        return replace(answered, answer_mask=mask)

    def narrow_words(self, answered: Answered, instructions: Sequence[str]) -> Answered:
        """The Answered with the words taken out of ``answers``; one instruction per row."""
        answers = [
            self._without(answer, instruction)
            for answer, instruction in zip(answered.answers, instructions, strict=True)
        ]
        return replace(answered, answers=answers)

    def _keep_words(self, answered: Answered, instructions: Sequence[str], backbone: Backbone) -> Mask:
        keep = np.ones_like(answered.answer_mask)
        for row, instruction in enumerate(instructions):
            positions = np.flatnonzero(answered.answer_mask[row])
            groups = _whole_words(backbone.tokens(answered.predicted[row, positions].tolist()))
            words = [word for word, _ in groups]
            for (_, members), dropped in zip(groups, self._dropped(words, instruction), strict=True):
                keep[row, positions[members]] = not dropped
        return keep

    def _keep_ids(self, answered: Answered, instructions: Sequence[str], backbone: Backbone) -> Mask:
        keep = np.ones_like(answered.answer_mask)
        common = _ids(backbone, [*self.phrases, *(sorted(ENGLISH_STOP_WORDS) if self.stop_words else [])])
        for row, instruction in enumerate(instructions):
            own = _ids(backbone, [instruction]) if self.instruction_words else set()
            keep[row] = ~np.isin(answered.predicted[row], sorted(common | own))
        return keep

    def _without(self, answer: str, instruction: str) -> str:
        found = list(_WORD.finditer(answer))
        dropped = self._dropped([match.group().lower() for match in found], instruction)
        for match, drop in reversed(list(zip(found, dropped, strict=True))):
            if drop:
                answer = answer[: match.start()] + answer[match.end() :]
        return " ".join(answer.split())

    def _dropped(self, words: list[str], instruction: str) -> list[bool]:
        """For each lower-case word of an answer, whether it goes."""
        banned = _banned(self, instruction)
        dropped = [word in banned for word in words]
        for phrase in self.phrases:
            sequence = _words(phrase)
            for start in range(len(words) - len(sequence) + 1):
                if words[start : start + len(sequence)] == sequence:
                    dropped[start : start + len(sequence)] = [True] * len(sequence)
        return dropped


@lru_cache(maxsize=256)
def _banned(chosen: AnswerFilter, instruction: str) -> frozenset[str]:
    """The single words a filter bans under an instruction; punctuation is only banned inside a phrase."""
    own = [w for w in _words(instruction) if w[0].isalnum()] if chosen.instruction_words else []
    return frozenset(own) | (ENGLISH_STOP_WORDS if chosen.stop_words else frozenset())


def _words(text: str) -> list[str]:
    """Lower-case words and single punctuation marks.

    >>> _words("Sure! I don't know.")
    ['sure', '!', 'i', "don't", 'know', '.']
    """
    return [word.lower() for word in _WORD.findall(text)]


def _whole_words(tokens: list[str]) -> list[tuple[str, list[int]]]:
    """Tokens joined into lower-case words, each with the places of its tokens.

    A token continues a word when it has no leading space and both sides of the seam are letters, digits or an
    apostrophe.

    >>> _whole_words([" don", "'t", " re", "act", "!"])
    [("don't", [0, 1]), ('react', [2, 3]), ('!', [4])]
    """
    groups: list[tuple[str, list[int]]] = []
    for place, token in enumerate(tokens):
        if groups and token and groups[-1][0] and _inside_word(token[0]) and _inside_word(groups[-1][0][-1]):
            word, members = groups.pop()
            groups.append((word + token.strip().lower(), [*members, place]))
        else:
            groups.append((token.strip().lower(), [place]))
    return groups


def _inside_word(character: str) -> bool:
    return character.isalnum() or character in "'’_"


def _ids(backbone: Backbone, texts: Sequence[str]) -> set[int]:
    return {token for text in texts for token in backbone.token_ids(text)}
