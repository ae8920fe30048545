"""Other wordings of a question: correct paraphrases, implicit hints at it, and instructions that ask something else.

The paper's robustness lists hold ten of each per set. The wording of the requests is ours. A draft is one kind of one
criterion; what is good of an answer is kept, and the next attempt asks for the rest.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from answerspace.evaluation.making.checks import ALIKE, likeness, normal, wrong_length
from answerspace.evaluation.making.draft import Draft, Question, Row, Verdict

FILE = "robustness.json"
ROLE = "You write instructions for reading texts. You answer with one JSON object only."
ASKED = {
    "correct": "that ask for exactly the same thing in other words, as a question or a request",
    "implicit": "that ask for it indirectly: a scene, a hint or a task that can only be done by knowing the answer to "
    "the original, without its key words",
    "incorrect": "that ask for something else about the same kind of text, so that the answer to the original does not "
    "help",
}
REQUEST = """\
Texts of one kind ({about}) are read under this instruction:
{original}

Write {count} different instructions {asked}. Each is one sentence, at most two, that makes sense without the others.
Answer with {{"instructions": ["...", ...]}}.
"""
VERIFY = """\
Original instruction: {original}

For each of the numbered instructions: would a good answer to it tell you the answer to the original?
{numbered}

Answer with {{"yes": [numbers]}}.
"""


def wording_drafts(criteria: Mapping[str, str], *, number: int = 10, seed: int = 0) -> list[Draft]:
    """Three drafts per criterion (name -> its question): ``number`` correct, implicit and incorrect instructions."""
    return [_draft(name, kind, question, number, seed) for name, question in criteria.items() for kind in ASKED]


def joined(criteria: Mapping[str, str], rows: Mapping[str, Row]) -> dict[str, Any]:
    """The content of FILE: criteria of which all three kinds are made."""
    found: dict[str, Any] = {}
    for name, question in criteria.items():
        kinds = {kind: rows.get(f"{name}/{kind}") for kind in ASKED}
        if all(kinds.values()):
            found[name] = {"original": question} | {
                kind: row["instructions"] for kind, row in kinds.items() if row is not None
            }
    return found


def _draft(name: str, kind: str, question: str, number: int, seed: int) -> Draft:
    had: list[str] = []  # what earlier answers to this draft gave

    def accept(answer: Mapping[str, Any]) -> Verdict:
        offered = answer.get("instructions")
        if not isinstance(offered, list) or not offered:
            return Verdict(None, ["'instructions' must be a list of instructions"])
        faults: list[str] = []
        kept = list(had)
        for one in offered:
            said = " ".join(one.split()) if isinstance(one, str) else ""
            wrong = _faults(said, question, kept)
            faults += wrong
            if not wrong and len(kept) < number:
                kept.append(said)
        had[:] = kept
        if len(kept) < number:
            faults.append(f"{number - len(kept)} more are needed, none like these: {'; '.join(kept) or 'none yet'}")
            return Verdict(None, faults)
        return Verdict({"id": f"{name}/{kind}", "instructions": kept})

    def verify(row: Row) -> list[Question]:
        return [_question(row, kind, question, had, seed)]

    request = REQUEST.format(about=name.split(".")[0], original=question, count=number, asked=ASKED[kind])
    return Draft(f"{name}/{kind}", request, accept, verify, lambda row: [])


def _question(row: Row, kind: str, question: str, had: list[str], seed: int) -> Question:
    shown = list(row["instructions"])
    random.Random(f"{seed} {row['id']}").shuffle(shown)
    numbered = "\n".join(f"{place}. {one}" for place, one in enumerate(shown, 1))

    def judge(answer: Mapping[str, Any]) -> list[str]:
        said = answer.get("yes")
        if not isinstance(said, list):
            return ["a reader gave no verdict"]
        yes = {int(one) for one in said if isinstance(one, int | float) or str(one).isdigit()}
        wrong = [one for place, one in enumerate(shown, 1) if (place in yes) != (kind != "incorrect")]
        had[:] = [one for one in had if one not in wrong]
        must = "must not" if kind == "incorrect" else "must"
        return [f"{one!r} {must} ask for what the original asks" for one in wrong]

    return Question(VERIFY.format(original=question, numbered=numbered), judge)


def _faults(said: str, question: str, kept: Sequence[str]) -> list[str]:
    if not said:
        return ["every instruction must be a non-empty string"]
    faults = wrong_length(f"{said[:60]!r}", said, 2, 45)
    for other in (question, *kept):
        if normal(said) == normal(other) or likeness(said, other) > ALIKE:
            faults.append(f"{said!r} must differ from {other!r}")
            break
    return faults
