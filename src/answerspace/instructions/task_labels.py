"""Task labels: which verb and which noun say what an instruction asks for.

The grammar is that of the instruction embedding benchmark (arXiv 2409.19680): verb|noun for commands, wh-word |
knowledge and yes-no | knowledge or task for questions, noun | knowledge for a bare noun phrase, verb | math for sums.
An instruction of several steps gets one label a step. Works on parsed words; knows no parser.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from answerspace.instructions.parser import ParsedWord


@dataclass(frozen=True, order=True)
class TaskLabel:
    """A verb and a noun in their base forms, printed as ``verb|noun``."""

    verb: str
    noun: str

    def __str__(self) -> str:
        return f"{self.verb}|{self.noun}"


class Extractor(Protocol):
    """Anything that labels instructions: ours for English, another language's, a user's own."""

    def labels(self, instructions: Sequence[str]) -> list[list[TaskLabel]]:
        """For each instruction its labels, one a step and the first step's first; never an empty list."""
        ...


Sentence = Sequence[ParsedWord]


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


WH = {
    "what": "what", "how": "how", "why": "why", "when": "when", "where": "where", "who": "who", "whom": "who",
    "whose": "who", "which": "what",
}  # fmt: skip
AUXILIARIES = _words("is are was were am do does did has have had will would can could should may might shall must")
EXPLAINING = frozenset({"explain", "describe", "summarize"})  # without an object these ask for knowledge
SETTING = _words("imagine suppose assume consider pretend say")  # a scene before the task
CARRIERS = _words("use try need want like help ask let have require")  # "use ... to find", "need to find"
ASKED = _words("asked required expected supposed")
NOUN_LIKE = _words("something someone anything anyone everything everyone somebody nothing")
NOT_OBJECTS = _words("following top one ones which why how what who please out up etc e.g i.e c")
SMALL = _words("please now then next first second third finally also just simply kindly hey ok okay hi hello")
_GIVEN = re.compile(r"\b(?:following|given|suggested|below|this|these|provided)\b", re.IGNORECASE)
_SUM = re.compile(r"\d\s*[-+*/×÷^=<>%]\s*\(?-?\d|\d\s*[xyz]\b|[xyz]\s*[=+*/^-]\s*\(?-?\d|√|∫|\b(?:sin|cos|log|sqrt)\b")


def label_sentences(parsed: Sequence[Sentence], text: str) -> list[TaskLabel]:
    """The labels of one instruction from its parsed sentences: the main task first, then further steps."""
    found: list[TaskLabel] = []
    weak: list[TaskLabel] = []
    for sentence in parsed:
        steps, certain = _steps(sentence, text)
        (found if certain else weak).extend(steps)
    return list(dict.fromkeys(found or weak)) or [TaskLabel("none", "none")]


def _steps(sentence: Sentence, text: str) -> tuple[list[TaskLabel], bool]:
    """The labels of a sentence, and whether it asks for something (a statement or a fragment may only set a scene)."""
    start = _start(sentence)
    if start is None:
        return [], False
    first = sentence[start].form.lower()
    question = _question(sentence, start, text)
    if question is not None:
        return [question], True
    following = sentence[start + 1].form.lower() if start + 1 < len(sentence) else ""
    scene = first in {"you", "i", "we"} and following in {"are", "'re", "am"}  # "You are a teacher preparing a class."
    scene = scene and not any(word.form.lower() in ASKED for word in sentence[: start + 4])  # "You are asked to ..."
    verbs = _task_verbs(sentence, start)
    if not verbs:
        noun = _noun_after(sentence, -1)
        return ([TaskLabel("noun", "knowledge")] if noun is not None or first else []), False
    labels = [_labelled(sentence, at, text) for at in verbs]
    if labels[0].noun == "none" and not _may_command(sentence, verbs[0]):
        return [TaskLabel("noun", "knowledge")], False  # a phrase with a verb in it: "The best place to visit"
    return labels, not scene and _commands(sentence, verbs[0])


# --- questions ---------------------------------------------------------------------------------------------------


def _question(sentence: Sentence, start: int, text: str) -> TaskLabel | None:
    """The label of a question: its verb and the noun after it, or the question word where there are none."""
    asked = any(word.form == "?" for word in sentence)
    at = _question_word(sentence, start, asked)
    if at is None:
        return None
    first = sentence[at].form.lower()
    verb = next((i for i in range(start, len(sentence)) if _asked_verb(sentence, i)), None)
    if verb is not None and _noun_after(sentence, verb) is not None:
        return _labelled(sentence, verb, text)
    if first in WH:
        return TaskLabel(WH[first], "math" if first in {"what", "how"} and _SUM.search(text) else "knowledge")
    return TaskLabel("yes-no", "task" if _GIVEN.search(text) else "knowledge")


def _question_word(sentence: Sentence, start: int, asked: bool) -> int | None:
    """The place of the wh-word or the auxiliary that makes the sentence a question; None when it is a command."""
    first = sentence[start].form.lower()
    following = sentence[start + 1].form.lower() if start + 1 < len(sentence) else ""
    if sentence[start].part == "ADP" and following in WH:
        return start + 1  # "in which year ..."
    if first in WH:
        scene = first in {"when", "where", "what"} and not asked and any(word.form == "," for word in sentence)
        return None if scene else start  # "When given a list, sort it."
    if first in AUXILIARIES:
        if not asked and (first in {"do", "have"} or following == "you"):
            return None  # "Do not ...", "Have fun", "Can you ..." without a question mark
        return start
    if not asked:
        return None
    for i in range(start + 1, len(sentence)):
        if sentence[i].form.lower() in WH and sentence[i - 1].form in {",", "then", "so"}:
            return i
    return None


def _asked_verb(sentence: Sentence, at: int) -> bool:
    """A full verb in its base form, or "be" after a modal."""
    word = sentence[at]
    if word.part == "VERB":
        return word.tag in {"VB", "VBP"} and word.form.lower() not in AUXILIARIES - {"do", "have"}
    return word.form.lower() == "be" and any(w.tag == "MD" for w in sentence[:at])


# --- commands ----------------------------------------------------------------------------------------------------


def _start(sentence: Sentence) -> int | None:
    """The place of the first word that is neither a sign, a number of a list nor a small word."""
    for i, word in enumerate(sentence):
        if any(c.isalpha() for c in word.form) and word.form.lower() not in SMALL:
            return i
    return None


def _task_verbs(sentence: Sentence, start: int) -> list[int]:
    """The places of the verbs that name the tasks: the main verb and those joined to it."""
    main = _main_verb(sentence, start)
    if main is None:
        return []
    joined = [
        i
        for i, word in enumerate(sentence)
        if word.head == main
        and word.relation in {"conj", "parataxis"}
        and word.part == "VERB"
        and word.tag in {"VB", "VBP"}
        and i > main
    ]
    return [main, *joined]


def _main_verb(sentence: Sentence, start: int) -> int | None:
    first = sentence[start]
    if _may_command(sentence, start):
        return start
    comma = next((i for i in range(start, len(sentence)) if sentence[i].form in {",", ":", "-"}), None)
    lead_in = first.part in {"VERB", "ADP", "SCONJ", "ADV"} or first.form.lower() in {"given", "using", "based"}
    if comma is not None and lead_in:
        for i in range(comma + 1, len(sentence)):
            before = sentence[i - 1].form.lower()
            if (before in {",", ":", "-"} or before in SMALL) and _may_command(sentence, i):
                return i
    root = next((i for i, word in enumerate(sentence) if word.head == -1 and word.part == "VERB"), None)
    if root is not None:
        return root
    return next((i for i, word in enumerate(sentence) if word.part == "VERB" and word.tag in {"VB", "VBP"}), None)


def _may_command(sentence: Sentence, at: int) -> bool:
    """Whether a word may be the verb of a command: base form, no subject of its own, nothing that makes it a noun."""
    word = sentence[at]
    if word.tag not in {"VB", "VBP"} and word.verb < 0.15:
        return False
    if word.part == "AUX" or word.form.lower() in AUXILIARIES - {"do", "have"}:
        return False
    return not any(other.head == at and other.relation == "nsubj" and i < at for i, other in enumerate(sentence))


def _commands(sentence: Sentence, main: int) -> bool:
    """Whether the sentence asks for something, rather than setting a scene."""
    if sentence[main].lemma in SETTING:
        return False
    if _may_command(sentence, main) or sentence[main].tag == "VB":
        return True
    return any(word.form.lower() == "you" for word in sentence[:main])


def _labelled(sentence: Sentence, main: int, text: str) -> TaskLabel:
    """The label of a verb: the first noun after it, and the verb that governs this noun."""
    verb = sentence[main].lemma
    noun = _noun_after(sentence, main)
    if verb in CARRIERS:
        inner = _carried(sentence, main)
        if inner is not None:
            return _labelled(sentence, inner, text)
    if noun is None:
        if _SUM.search(text):
            return TaskLabel(verb, "math")
        return TaskLabel(verb, "knowledge" if verb in EXPLAINING else "none")
    governor = _governor(sentence, noun, main)
    return TaskLabel(sentence[governor].lemma, _noun_form(sentence[noun]))


def _carried(sentence: Sentence, main: int) -> int | None:
    """The verb that a carrier such as "use ... to" or "need to" leads to."""
    for i in range(main + 1, len(sentence)):
        word = sentence[i]
        if (
            word.part == "VERB"
            and word.tag == "VB"
            and sentence[i - 1].form.lower() == "to"
            and _noun_after(sentence, i) is not None
        ):
            return i
    return None


def _noun_after(sentence: Sentence, at: int) -> int | None:
    """The place of the first common noun after a word and before the sentence's end."""
    for i in range(at + 1, len(sentence)):
        word = sentence[i]
        if word.form in {".", "?", "!", ";"} and i > at + 1:
            return None
        lower = word.form.lower()
        common = word.part == "NOUN" and lower not in NOT_OBJECTS and word.form.isalpha()
        if lower in NOUN_LIKE or (common and not _is_name(sentence, i)):
            return i
    return None


def _is_name(sentence: Sentence, at: int) -> bool:
    """Whether a noun inside the sentence has a capital that is not owed to a heading's style."""
    word = sentence[at].form
    if at == 0 or not word[0].isupper() or sentence[at - 1].form in {".", ":", '"', "“"}:
        return False
    longer = [other.form for other in sentence[1:] if other.form.isalpha() and len(other.form) > 3]
    return sum(form[0].isupper() for form in longer) <= max(1, len(longer) / 2)


def _governor(sentence: Sentence, noun: int, main: int) -> int:
    """The verb whose object the noun (or the phrase it is part of) is, when it stands between; else the main verb."""
    joined = _joined_verb(sentence, main)
    at = noun
    for _ in range(4):  # up a compound or an attribute to the head of the phrase
        word = sentence[at]
        if word.head > at and word.relation in {"compound", "amod", "nmod", "flat", "nummod"}:
            at = word.head
        else:
            break
    word = sentence[at]
    if joined < word.head < noun and sentence[word.head].tag == "VB" and word.relation in {"obj", "obl"}:
        return word.head
    return joined


def _joined_verb(sentence: Sentence, main: int) -> int:
    """In "find and replace ..." the last of the verbs that share an object."""
    at = main
    while (
        at + 2 < len(sentence)
        and sentence[at + 1].form.lower() in {"and", "or", "/"}
        and sentence[at + 2].tag in {"VB", "VBP"}
    ):
        at += 2
    return at


def _noun_form(word: ParsedWord) -> str:
    return word.form.lower() if word.form.lower() in NOUN_LIKE else word.lemma
