"""Triplets from an intent set: every utterance said hopefully and in anger, for its own intent and for another one.

The paper's Appendix A: two intents x two feelings give four texts, and from them two triplets that the question about
the feeling should get right and two that the question about the intent should. The wording of the requests is ours.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from answerspace.errors import InputError
from answerspace.evaluation.making.checks import missing, named, too_alike, wrong_length
from answerspace.evaluation.making.draft import Draft, Question, Row, Verdict

FILE = "intent_emotion.jsonl"
ROLE = "You write short, natural messages that customers send to a company. You answer with one JSON object only."
UTTERANCES = ("u1_opt", "u1_fru", "u2_opt", "u2_fru")
FEELING = {"u1_opt": "optimistic", "u1_fru": "frustrated", "u2_opt": "optimistic", "u2_fru": "frustrated"}
GIVEAWAYS = ("optimis", "frustrat")
REQUEST = """\
Two customers write to the same company.
Message 1 ({intent1}): {text1}
Message 2 ({intent2}): {text2}

Rewrite each message twice, once by a customer who is optimistic and once by one who is frustrated. Keep what the
customer needs exactly; show the feeling by wording and detail, without naming it. Use one or two sentences and do not
let the two versions share their phrases.
Answer with {{"u1_opt": message 1, optimistic, "u1_fru": message 1, frustrated, "u2_opt": message 2, optimistic,
"u2_fru": message 2, frustrated}}.
"""
VERIFY = """\
A customer writes: {text}

Answer with {{"need": "A" or "B" or "neither", "feeling": "optimistic" or "frustrated" or "neither"}}.
What does the customer need? A: {a}. B: {b}.
How does the customer feel?
"""


def triplet_drafts(
    texts: Sequence[str], intents: Sequence[str], *, count: int | None = None, seed: int = 0
) -> list[Draft]:
    """A draft per utterance (at most ``count``, as many intents as possible), each with one of another intent."""
    if len(set(intents)) < 2:
        raise InputError(f"An intent set must have at least two intents. Got {len(set(intents))}.")
    rng = random.Random(seed)
    order = list(range(len(texts)))
    rng.shuffle(order)
    turn: dict[str, int] = {}
    rounds = {row: turn.setdefault(intents[row], 0) for row in order}
    for row in order:  # the k-th utterance of every intent before the k+1-th of any
        rounds[row] = turn[intents[row]]
        turn[intents[row]] += 1
    chosen = sorted(order, key=lambda row: rounds[row])[: len(texts) if count is None else count]
    drafts = []
    for number, row in enumerate(chosen, 1):
        other = rng.choice([i for i in order if intents[i] != intents[row]])
        drafts.append(_draft(f"t-{number:05d}", (texts[row], intents[row]), (texts[other], intents[other])))
    return drafts


def _draft(id: str, first: tuple[str, str], second: tuple[str, str]) -> Draft:
    (text1, intent1), (text2, intent2) = first, second

    def accept(answer: Mapping[str, Any]) -> Verdict:
        faults = missing(answer, UTTERANCES)
        if faults:
            return Verdict(None, faults)
        made = {key: " ".join(str(answer[key]).split()) for key in UTTERANCES}
        for key, text in made.items():
            faults += wrong_length(key, text, 4, 70) + named(key, text, GIVEAWAYS)
        faults += too_alike(made)
        row = {"id": id, "intent1": intent1, "intent2": intent2, **made}
        return Verdict(None if faults else row, faults)

    def verify(row: Row) -> list[Question]:
        return [_question(id, key, row) for key in UTTERANCES]

    request = REQUEST.format(text1=text1, intent1=_words(intent1), text2=text2, intent2=_words(intent2))
    return Draft(id, request, accept, verify, lambda row: [row[key] for key in UTTERANCES])


def _question(id: str, key: str, row: Row) -> Question:
    """Which need is A is drawn anew for every utterance, so that a model that always says A is found out."""
    own, other = (row["intent1"], row["intent2"]) if key.startswith("u1") else (row["intent2"], row["intent1"])
    first = random.Random(f"{id} {key}").random() < 0.5
    a, b = (own, other) if first else (other, own)

    def judge(answer: Mapping[str, Any]) -> list[str]:
        faults = []
        if str(answer.get("need", "")).strip().upper() != ("A" if first else "B"):
            faults.append(f"{key} must clearly be about {_words(own)!r}; a reader said otherwise")
        if str(answer.get("feeling", "")).strip().lower() != FEELING[key]:
            faults.append(f"{key} must clearly be {FEELING[key]}; a reader found it {answer.get('feeling')}")
        return faults

    return Question(VERIFY.format(text=row[key], a=_words(a), b=_words(b)), judge)


def _words(intent: str) -> str:
    return intent.replace("_", " ")
