"""Long training texts as passages: a question is asked of the part that holds its answer."""

from __future__ import annotations

import re

SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def passages(text: str, letters: int) -> list[str]:
    """The text cut at sentence ends into parts of at most ``letters`` characters; a longer sentence is cut hard.

    >>> passages("One two. Three four. Five.", 20)
    ['One two. Three four.', 'Five.']
    """
    parts: list[str] = []
    for sentence in SENTENCE_END.split(text):
        for start in range(0, len(sentence), letters):
            piece = sentence[start : start + letters]
            if parts and len(parts[-1]) + 1 + len(piece) <= letters:
                parts[-1] = f"{parts[-1]} {piece}"
            else:
                parts.append(piece)
    return parts


def passage_of(parts: list[str], question: str, answer: str) -> str | None:
    """The passage that holds the answer and most of the question's words; None when none holds the answer."""
    words = set(re.findall(r"\w{4,}", question.lower()))
    wanted = answer.lower()
    found = [
        (sum(word in part.lower() for word in words), -i) for i, part in enumerate(parts) if wanted in part.lower()
    ]
    return parts[-max(found)[1]] if found else None
