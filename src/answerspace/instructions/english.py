"""The English extractor: the parser in the package and the rules of ``task_labels``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from answerspace.errors import InputError
from answerspace.instructions.parser import Parser
from answerspace.instructions.task_labels import Extractor, TaskLabel, label_sentences
from answerspace.instructions.words import sentences, words
from answerspace.progress import track

MOST_SENTENCES = 6  # of an instruction that are read; what follows is the material or the fine print
CHUNK = 2048  # instructions parsed between two steps of the progress bar


class EnglishExtractor:
    """Labels English instructions; equal texts are labelled once."""

    def __init__(self, parser: Parser | None = None, *, batch_size: int = 64) -> None:
        self.parser = parser or Parser()
        self.batch_size = batch_size

    def labels(self, instructions: Sequence[str], *, show_progress: bool = False) -> list[list[TaskLabel]]:
        """For each instruction its labels, the main task's first. A text without words gives none|none."""
        distinct = list(dict.fromkeys(instructions))
        starts = list(range(0, len(distinct), CHUNK))
        found: dict[str, list[TaskLabel]] = {}
        for start in track(starts, f"labels (x {CHUNK:,})") if show_progress and len(starts) > 1 else starts:
            chunk = distinct[start : start + CHUNK]
            found.update(zip(chunk, self._chunk(chunk), strict=True))
        return [list(found[text]) for text in instructions]

    def _chunk(self, texts: Sequence[str]) -> list[list[TaskLabel]]:
        split = [[words(one) for one in sentences(text)[:MOST_SENTENCES]] for text in texts]
        parsed = iter(self.parser.parse([one for rows in split for one in rows], batch_size=self.batch_size))
        return [label_sentences([next(parsed) for _ in rows], text) for text, rows in zip(texts, split, strict=True)]


EXTRACTORS: dict[str, Callable[[], Extractor]] = {"en": EnglishExtractor}


def make_extractor(language: str) -> Extractor:
    """The extractor that EXTRACTORS lists under a language code."""
    if language not in EXTRACTORS:
        raise InputError(f"--language must be one of {', '.join(EXTRACTORS)}. Got {language!r}.")
    return EXTRACTORS[language]()
