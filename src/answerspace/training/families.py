"""Written families: little corpora whose every text answers the same few questions, each question in many wordings.

One family a line of JSON:
    {"criteria": {"mood": ["How does the writer feel?", "Mood?"]}, "texts": [["Off to the lake!", {"mood": "happy"}]]}
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from answerspace.errors import InputError


@dataclass(frozen=True)
class Family:
    """``criteria``: name -> wordings; ``texts``: (text, name -> answer)."""

    criteria: dict[str, tuple[str, ...]]
    texts: tuple[tuple[str, dict[str, str]], ...]

    def wordings(
        self, rng: random.Random, most: int
    ) -> Iterator[tuple[str, tuple[tuple[str, str], ...], tuple[str, ...]]]:
        """Each text with at most ``most`` of its questions and answers, and which criterion each question asks for.

        A criterion's wording is drawn anew for every text; the criterion is named by all its wordings.
        """
        for text, answers in self.texts:
            names = rng.sample(sorted(answers), min(most, len(answers)))
            qa = tuple((rng.choice(self.criteria[name]), answers[name]) for name in names)
            yield text, qa, tuple("\n".join(self.criteria[name]) for name in names)


def read_families(path: Path) -> list[Family]:
    """The families of a file; InputError names the line that is not one."""
    if not path.exists():
        raise InputError(f"The training file {path} must exist. Run from the repository's root.")
    return [_family(line, f"{path}, line {n}") for n, line in enumerate(path.read_text("utf-8").splitlines(), 1)]


def is_held(family: Family, share: float) -> bool:
    """Whether a whole family is held apart; depends on its first text alone."""
    first = family.texts[0][0] if family.texts else ""
    return int.from_bytes(hashlib.blake2b(first.encode(), digest_size=4).digest(), "big") < share * 2**32


def _family(line: str, where: str) -> Family:
    try:
        row = json.loads(line)
        criteria = {name: tuple(wordings) for name, wordings in row["criteria"].items() if wordings}
        texts = tuple(
            (text, {name: answer for name, answer in answers.items() if answer}) for text, answers in row["texts"]
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{where} must be a family with criteria and texts. It is not: {error!r}.") from None
    for text, answers in texts:
        unknown = sorted(set(answers) - set(criteria))
        if unknown:
            raise InputError(
                f"{where}: every answer must belong to a criterion. {unknown[0]!r} does not ({text[:40]!r})."
            )
    return Family(criteria, texts)
