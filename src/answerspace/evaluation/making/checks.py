"""What a made text must be, whatever the model says: pure functions that give the faults in words, [] for none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import combinations

ALIKE = 0.7  # shared words over all words, above which two texts count as the same


def normal(text: str) -> str:
    """The text in lower case, its words only: what "the same text" means here."""
    return " ".join(words(text))


def words(text: str) -> list[str]:
    """Lower-case words."""
    return re.findall(r"[^\W_]+(?:'[^\W_]+)?", text.lower())


def likeness(first: str, second: str) -> float:
    """Distinct words that both have, as a share of those that either has (Jaccard); 0 for two empty texts."""
    a, b = set(words(first)), set(words(second))
    return len(a & b) / len(a | b) if a | b else 0.0


def missing(answer: Mapping[str, object], keys: Sequence[str]) -> list[str]:
    """Keys without a non-empty string."""
    return [
        f"{key!r} must be a non-empty string"
        for key in keys
        if not isinstance(answer.get(key), str) or not str(answer[key]).strip()
    ]


def wrong_length(name: str, text: str, least: int, most: int) -> list[str]:
    """Fewer or more words than allowed."""
    count = len(words(text))
    return [] if least <= count <= most else [f"{name} must have {least} to {most} words, it has {count}"]


def named(name: str, text: str, stems: Sequence[str]) -> list[str]:
    """Words that begin with a stem that must not be said, because it would give the label away."""
    found = sorted({word for word in words(text) if word.startswith(tuple(stems))})
    return [f"{name} must not say {', '.join(found)}"] if found else []


def too_alike(texts: Mapping[str, str], most: float = ALIKE) -> list[str]:
    """Pairs of texts that are the same but for a few words."""
    return [
        f"{a} and {b} must be worded differently"
        for (a, first), (b, second) in combinations(texts.items(), 2)
        if normal(first) == normal(second) or likeness(first, second) > most
    ]
