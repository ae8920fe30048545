"""Answers to read: one line per text, with the words the model's head leans to on request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from answerspace.embedder import DEFAULT_BATCH, Embedder
from answerspace.errors import InputError
from answerspace.questioning import Asked, checked_question
from answerspace.reading_file.index import read_index

HEAD_WORDS = 8


def spoken_answers(
    load: Callable[[], Embedder],
    text: str,
    question: str,
    *,
    lines: bool = False,
    words: bool = False,
    batch_size: int = DEFAULT_BATCH,
) -> list[str]:
    """The answer to the question for the text, or for each of its lines; a blank line keeps its place.

    With ``words`` the answer is followed by a tab and the head's words, best first. Raises InputError for a text
    without a word.
    """
    asked = checked_question(question).strip()
    texts = [line.strip() for line in text.splitlines()] if lines else [text.strip()]
    written = [one for one in texts if one]
    if not written:
        raise InputError("There must be a text on standard input. Got none; try: echo 'The soup was cold.' | …")
    embedder = load()
    answered = embedder.ask_and_answer(written, [asked], layer=-1, normalize=False, batch_size=batch_size)[0]
    following = iter(_spoken(embedder, answered, words))
    return [next(following) if one else "" for one in texts]


def answers_of_reading(load: Callable[[], Embedder], path: str, question: str, *, words: bool = False) -> list[str]:
    """The answer to the question for each row of a reading on disk; a row without a text is an empty line."""
    asked = checked_question(question).strip()
    read_index(Path(path))  # a path that is no reading shows before the model is loaded
    embedder = load()
    reading = embedder.open_reading(path)
    answered = reading.ask_and_answer([asked], layer=-1, normalize=False)[0]
    spoken = _spoken(embedder, answered, words)
    return [" ".join(one.splitlines()) if place >= 0 else "" for one, place in zip(spoken, reading.places, strict=True)]


def _spoken(embedder: Embedder, answered: Asked, words: bool) -> list[str]:
    if not words:
        return list(answered.answers)
    heads = embedder.head_words(answered.vectors, HEAD_WORDS)
    return [f"{answer}\t{', '.join(head)}" for answer, head in zip(answered.answers, heads, strict=True)]
