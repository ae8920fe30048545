"""The rows of the instruction tables by name: lexical baselines, general embeddings, the bundled model, ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

from answerspace.answers import Array
from answerspace.embedder import Embedder
from answerspace.errors import InputError
from answerspace.instructions.benchmark_run import Make
from answerspace.instructions.english import EnglishExtractor
from answerspace.instructions.lexical_baselines import LEXICAL, ParserOnlyEncoder
from answerspace.instructions.task_embedding import TaskEncoder

Load = Callable[[str | None], Embedder]


class PlainEncoder:
    """The bundled model without a question: the vectors of all-MiniLM-L6-v2."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def encode(self, texts: Sequence[str], *, instruction: str | None = None) -> Array:
        """(n, d) unit vectors; the instruction plays no part."""
        return self.embedder.encode(list(texts), None)


@lru_cache(maxsize=1)
def _extractor() -> EnglishExtractor:
    return EnglishExtractor()


ROWS: dict[str, Callable[[Load], object]] = {
    **{name: lambda load, make=make: make() for name, make in LEXICAL.items()},  # type: ignore[misc]
    "parser-only": lambda load: ParserOnlyEncoder(_extractor()),
    "all-MiniLM": lambda load: PlainEncoder(load(None)),
    "bundled": lambda load: load(None),
    "task": lambda load: TaskEncoder(load(None), _extractor()),
}


def make_row(name: str, load: Load) -> Make:
    """What makes the encoder of a row when its turn comes; InputError for a name that ROWS does not have."""
    if name not in ROWS:
        raise InputError(f"--row must be one of {', '.join(ROWS)}. Got {name!r}.")
    return partial(ROWS[name], load)  # type: ignore[return-value]
