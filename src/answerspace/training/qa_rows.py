"""Questions about texts with their answers, from JSON Lines, Parquet or a hub data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from answerspace.errors import InputError, MissingExtra
from answerspace.stop_words import ENGLISH_STOP_WORDS
from answerspace.tables import column_texts, read_table
from answerspace.training.rows import Asked, Rows, is_dev

COLUMNS = (("input", "instruction", "output"), ("text", "question", "answer"))  # Alpaca's data also has a "text"
SUFFIXES = (".jsonl", ".json", ".ndjson", ".parquet", ".pq")
OUTER = ".,;:!?\"'()[]"


@dataclass(frozen=True)
class QA:
    """A question about a text and its answer; the text may be empty."""

    text: str
    question: str
    answer: str


@dataclass(frozen=True)
class QARows:
    """Rows to train on and rows held apart, where they came from, and one sentence per oddity."""

    train: list[QA]
    dev: list[QA]
    source: str
    notes: list[str]


def read_qa(
    source: str | Path,
    *,
    dev_share: float = 0.0,
    remove_stop_words: bool = False,
    answers_needed: bool = True,
    limit: int | None = None,
    hub: Callable[[str], pl.DataFrame] | None = None,
) -> QARows:
    """Rows of a file (.jsonl, .json, .parquet) or of a hub id, "owner/name" or "owner/name:configuration".

    The columns are input, instruction and output (as in Alpaca's data) or text, question and answer. Rows without a
    question, or without an answer where one is needed, are left out and counted in the notes. Texts are held apart
    by a hash of the text (of the question where there is none), so a text is never on both sides.
    """
    name = str(source)
    if Path(name).is_file() or name.lower().endswith(SUFFIXES):
        if not name.lower().endswith(SUFFIXES):
            raise InputError(f"The training data must be a file that ends in {', '.join(SUFFIXES)}. Got {name!r}.")
        table = read_table(name, limit=limit)
        frame, notes = table.frame, list(table.notes)
    elif name.count("/") == 1 and not name.startswith((".", "/", "~")) and not Path(name).is_dir():
        frame, notes = (hub or hub_frame)(name), []
        frame = frame if limit is None else frame.head(limit)
    else:
        raise InputError(f"The training data must be a JSON Lines or Parquet file, or a hub id. Got {name!r}.")
    rows, dropped = _rows(frame, name, answers_needed)
    if dropped:
        notes.append(f"{dropped:,} rows of {name} without a question or an answer were left out.")
    if not rows:
        raise InputError(f"The training data must have rows with a question and an answer. {name} has none.")
    if remove_stop_words:
        rows = [replace(row, answer=without_stop_words(row.answer)) for row in rows]
    held = [is_dev(row.text or row.question, dev_share) for row in rows]
    train = [row for row, h in zip(rows, held, strict=True) if not h]
    if not train:
        raise InputError(f"data.dev_share must leave rows to train on. Got {dev_share} for {len(rows)} rows.")
    return QARows(train, [row for row, h in zip(rows, held, strict=True) if h], name, notes)


def by_text(found: QARows) -> Rows:
    """The rows as the bundled model's training takes them: each text once with all its questions."""
    train, dev = (_asked(rows, found.source) for rows in (found.train, found.dev))
    return Rows({found.source: train}, dev)


def without_stop_words(answer: str) -> str:
    """The answer without English stop words (NLTK's list), other words as they were; unchanged if none is left.

    The authors removed them from the training answers (§3.1); what became of "no", which is on the list, they do
    not say. Here an answer of stop words alone stays.

    >>> without_stop_words("In the Kitchen, by the door.")
    'Kitchen, door.'
    >>> without_stop_words("No.")
    'No.'
    """
    kept = [word for word in answer.split() if word.strip(OUTER).lower() not in ENGLISH_STOP_WORDS]
    return " ".join(kept) if any(any(c.isalnum() for c in word) for word in kept) else answer.strip()


def hub_frame(name: str) -> pl.DataFrame:
    """The train split of a data set on the Hugging Face hub; downloaded once, then kept in its cache."""
    try:
        import datasets
    except ImportError:
        raise MissingExtra("A data set from the hub", "train") from None
    path, _, configuration = name.partition(":")
    try:
        found = datasets.load_dataset(path, configuration or None, split="train")
    except Exception as error:  # of the hub, of the network, of a loader: no common base, one reading
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"The training data must be a file, or a hub id that can be reached. Got {name!r}: {first}"
        ) from error
    return pl.DataFrame(found.to_dict())


def _asked(rows: list[QA], source: str) -> list[Asked]:
    questions: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        questions.setdefault(row.text, []).append((row.question, row.answer))
    return [Asked(source, text, tuple(qa)) for text, qa in questions.items()]


def _rows(frame: pl.DataFrame, name: str, answers_needed: bool) -> tuple[list[QA], int]:
    roles = 3 if answers_needed else 2
    columns = next((c for c in COLUMNS if set(c[:roles]) <= set(frame.columns)), None)
    if columns is None:
        shown = " or ".join(", ".join(c[:roles]) for c in COLUMNS)
        raise InputError(f"The training data must have the columns {shown}. {name} has {', '.join(frame.columns)}.")
    cells = [column_texts(frame, c)[0] if c in frame.columns else [""] * frame.height for c in columns]
    rows = [QA(text, question.strip(), answer.strip()) for text, question, answer in zip(*cells, strict=True)]
    good = list(_whole(rows, answers_needed))
    return good, len(rows) - len(good)


def _whole(rows: Iterable[QA], answers_needed: bool) -> Iterable[QA]:
    return (row for row in rows if row.question and (row.answer or not answers_needed))
