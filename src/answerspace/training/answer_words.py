"""What of a gold answer counts: its words without the ones that carry no content."""

from __future__ import annotations

import re

EMPTY_WORDS = frozenset(
    {
        "a",
        "an",
        "the",
        "of",
        "in",
        "on",
        "at",
        "to",
        "for",
        "from",
        "by",
        "with",
        "as",
        "and",
        "or",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "being",
        "am",
        "do",
        "does",
        "did",
        "has",
        "have",
        "had",
        "it",
        "its",
        "he",
        "she",
        "his",
        "her",
        "him",
        "they",
        "them",
        "their",
        "this",
        "that",
        "these",
        "those",
        "there",
        "i",
        "my",
        "me",
        "we",
        "our",
        "us",
        "you",
        "your",
        "who",
        "which",
        "because",
    }
)
"""Articles, prepositions, auxiliaries, pronouns, and "because", with which many answers to "why" begin.

"no" and "not" are absent: they change an answer.
"""


def content_words(answer: str) -> str:
    """The answer in lower case without empty words and outer punctuation; unchanged where nothing would be left.

    >>> content_words("In the kitchen.")
    'kitchen'
    >>> content_words("She is")
    'she is'
    """
    words = re.findall(r"[^\s.,;:!?\"()\[\]]+", answer.lower())
    kept = [word for word in words if word not in EMPTY_WORDS]
    return " ".join(kept or words) or answer.strip().lower()
