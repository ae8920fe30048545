"""Answers to read: one line per text, with the words the model's head leans to on request."""

from __future__ import annotations

from collections.abc import Callable

from answerspace.embedder import DEFAULT_BATCH, Embedder, checked_question
from answerspace.errors import InputError

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
    spoken = list(answered.answers)
    if words:
        heads = embedder.head_words(answered.vectors, HEAD_WORDS)
        spoken = [f"{answer}\t{', '.join(head)}" for answer, head in zip(spoken, heads, strict=True)]
    following = iter(spoken)
    return [next(following) if one else "" for one in texts]
