"""Pairs under two questions: one that tells two sentences apart, one to which both give the same answer.

The paper's InstructSTSB: every pair of an STS set gets a discriminating and a non-discriminating question, so an
embedding that ignores the question cannot do better than chance. The wording of the requests is ours.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from answerspace.evaluation.making.checks import missing, normal, too_alike, words, wrong_length
from answerspace.evaluation.making.draft import Draft, Question, Row, Verdict

FILE = "instruct_sts.jsonl"
ROLE = "You write short, precise questions about sentences. You answer with one JSON object only."
QUESTIONS = ("q_diff", "q_same")
FORM = 4  # words in a row that a question may share with only one of the sentences
REQUEST = """\
Sentence 1: {first}
Sentence 2: {second}

Write two short questions that can be asked of either sentence alone.
"q_diff": the two sentences give clearly different answers.
"q_same": both sentences give the same answer, and the sentences themselves say it.
Do not mention "the sentence", do not give the answer away, and let neither question fit one sentence only.
Answer with {{"q_diff": "...?", "q_same": "...?"}}.
"""
VERIFY = """\
Question: {question}
Sentence A: {first}
Sentence B: {second}

Answer the question for each sentence on its own, in a few words, then say whether the two answers mean the same.
Answer with {{"a": "...", "b": "...", "same": true or false}}.
"""


def pair_drafts(first: Sequence[str], second: Sequence[str], *, count: int | None = None, seed: int = 0) -> list[Draft]:
    """A draft per pair of different sentences, in a drawn order, at most ``count``."""
    usable = [i for i, (a, b) in enumerate(zip(first, second, strict=True)) if normal(a) != normal(b)]
    random.Random(seed).shuffle(usable)
    chosen = usable[: len(usable) if count is None else count]
    return [_draft(f"p-{number:05d}", first[i], second[i]) for number, i in enumerate(chosen, 1)]


def _draft(id: str, first: str, second: str) -> Draft:
    def accept(answer: Mapping[str, Any]) -> Verdict:
        faults = missing(answer, QUESTIONS)
        if faults:
            return Verdict(None, faults)
        made = {key: " ".join(str(answer[key]).split()) for key in QUESTIONS}
        for key, text in made.items():
            faults += wrong_length(key, text, 2, 25) + _not_a_question(key, text) + _quotes(key, text, first, second)
        faults += too_alike(made)
        return Verdict(None if faults else {"id": id, "s1": first, "s2": second, **made}, faults)

    def verify(row: Row) -> list[Question]:
        return [_question(id, key, row) for key in QUESTIONS]

    return Draft(id, REQUEST.format(first=first, second=second), accept, verify, lambda row: [])


def _question(id: str, key: str, row: Row) -> Question:
    sides = [row["s1"], row["s2"]]
    random.Random(f"{id} {key}").shuffle(sides)
    same = key == "q_same"

    def judge(answer: Mapping[str, Any]) -> list[str]:
        if missing(answer, ("a", "b")):
            return [f"{key} must be answerable from both sentences; a reader had no answer"]
        if answer.get("same") is not same:
            said = f"{answer['a']!r:.60} and {answer['b']!r:.60}"
            return [f"{key} must give {'the same answer' if same else 'different answers'}; a reader said {said}"]
        return []

    return Question(VERIFY.format(question=row[key], first=sides[0], second=sides[1]), judge)


def _not_a_question(key: str, text: str) -> list[str]:
    return [] if text.endswith("?") else [f"{key} must end with a question mark"]


def _quotes(key: str, text: str, first: str, second: str) -> list[str]:
    """A question that repeats a stretch of one sentence only cannot be put to the other."""
    asked = words(text)
    for start in range(len(asked) - FORM + 1):
        stretch = " ".join(asked[start : start + FORM])
        if (stretch in normal(first)) != (stretch in normal(second)):
            return [f"{key} must not quote one of the sentences ({stretch!r})"]
    return []
