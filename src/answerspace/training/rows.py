"""Training rows: (text, question, answer) read from files, mixed by source and put into batches.

Everything is decided by the recipe's seed and the number of the pass, so a run can be resumed at any batch.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TypeVar

import polars as pl

from answerspace.errors import InputError
from answerspace.training.families import Family, is_held, read_families
from answerspace.training.passages import passage_of, passages
from answerspace.training.recipe import DataRecipe, Recipe

QA = tuple[str, str]
ITSELF = ""
"""The answer that stands for the text itself: its target is the text's own vector, and it has no words."""

GENERIC_QUESTIONS = (
    "What is the text about?",
    "What is this about?",
    "What does the text say?",
    "Summarize the text.",
    "What is the main content of the text?",
    "Describe the text.",
    "About what?",
    "What is discussed here?",
    "What is the text talking about?",
    "Content?",
    "Represent the text for retrieval.",
    "What is the meaning of the text?",
)
T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """A text with some of its questions and their answers.

    ``criteria`` names what each question asks for, so that other wordings of it are known as the same; where it is
    empty, every question is a criterion of its own.
    """

    source: str
    text: str
    qa: tuple[QA, ...]
    criteria: tuple[str, ...] = ()

    def asked_for(self) -> tuple[str, ...]:
        """The criterion of each question."""
        return self.criteria or tuple(question for question, _ in self.qa)


@dataclass(frozen=True)
class Rows:
    """All texts of all sources and all written families; the held-apart ones in ``dev`` and ``dev_families``."""

    train: dict[str, list[Asked]]
    dev: list[Asked]
    families: list[Family] = field(default_factory=list)
    dev_families: list[Family] = field(default_factory=list)


def read_rows(folder: Path, recipe: DataRecipe, root: Path = Path()) -> Rows:
    """Read the recipe's files: Parquet or JSON Lines below ``folder``, written ones below ``root``."""
    allowed = _allowed_sources(folder, recipe)
    by_text: dict[str, dict[str, list[QA]]] = defaultdict(lambda: defaultdict(list))
    cut = _Cutter(recipe.letters)
    for name in recipe.files:
        for source, text, question, answer in _rows_of(folder / name):
            if (allowed is None or (Path(name).stem, source) in allowed) and len(question) <= recipe.question_letters:
                part = cut(text, question, answer)
                if part is not None:
                    by_text[source][part].append((question, answer))
    for name in recipe.written:
        for text, qa in _written_rows(root / name):
            by_text["written"][text].extend(qa)
    train: dict[str, list[Asked]] = {}
    dev: list[Asked] = []
    for source, texts in by_text.items():
        asked = [Asked(source, text, tuple(qa)) for text, qa in texts.items()]
        train[source] = [a for a in asked if not is_dev(a.text, recipe.dev_share)]
        dev += [a for a in asked if is_dev(a.text, recipe.dev_share)]
    families = [family for name in recipe.families for family in read_families(root / name)]
    held = [is_held(family, recipe.family_dev_share) for family in families]
    return Rows(
        train,
        dev,
        [family for family, h in zip(families, held, strict=True) if not h],
        [family for family, h in zip(families, held, strict=True) if h],
    )


def is_dev(text: str, share: float) -> bool:
    """Whether a text is held apart; depends on the text alone, so no run can mix the two."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") < share * 2**32


def batches(rows: Rows, recipe: Recipe, epoch: int) -> list[list[Asked]]:
    """One pass: capped sources, groups of one source, batches of texts of like length, in a seeded order."""
    rng = random.Random(f"{recipe.seed}:{epoch}")
    data, train = recipe.data, recipe.train
    groups: list[list[Asked]] = []
    for source in sorted(rows.train):
        texts = _balanced(rows.train[source], data.answer_shares.get(source), rng)
        chosen = _capped(texts, data.caps.get(source, data.cap), data.questions_per_text, rng)
        chosen = [_with_generic(asked, data.generic, rng) for asked in chosen]
        chosen.sort(key=lambda a: len(a.text) + rng.random() * 40)
        groups += _slices(chosen, train.group)
    for family in rows.families * data.family_repeats:
        drawn = [Asked("families", *row) for row in family.wordings(rng, data.questions_per_text)]
        parts = math.ceil(len(drawn) / train.group)  # of like size: a text alone is told apart from nothing
        groups += _slices(rng.sample(drawn, len(drawn)), math.ceil(len(drawn) / max(1, parts)))
    rng.shuffle(groups)
    per_batch = max(1, train.texts_per_batch // train.group)
    out: list[list[Asked]] = []
    for pool in _slices(groups, per_batch * 48):
        made = []
        for like in _slices(sorted(pool, key=_text_length), per_batch * 6):
            made += [list(chain(*batch)) for batch in _slices(sorted(like, key=_question_length), per_batch)]
        rng.shuffle(made)
        out += made
    return out


def in_first_wording(family: Family) -> list[Asked]:
    """The family's texts with all their questions, each in its first wording."""
    return [
        Asked("families", text, tuple((family.criteria[n][0], answers[n]) for n in answers), tuple(answers))
        for text, answers in family.texts
        if answers
    ]


def _slices(items: list[T], size: int) -> list[list[T]]:
    return [items[i : i + size] for i in range(0, len(items), size)]


def _text_length(group: list[Asked]) -> int:
    return max(len(asked.text) for asked in group)


def _question_length(group: list[Asked]) -> int:
    return max(len(question) for asked in group for question, _ in asked.qa)


def _balanced(texts: list[Asked], share: float | None, rng: random.Random) -> list[Asked]:
    """Texts without the rows by which one answer would exceed its share of the source's rows."""
    if share is None:
        return texts
    most = int(share * sum(len(asked.qa) for asked in texts))
    seen: Counter[str] = Counter()
    out = []
    for asked in rng.sample(texts, len(texts)):
        kept = []
        for question, answer in asked.qa:
            seen[answer] += 1
            if seen[answer] <= most:
                kept.append((question, answer))
        if kept:
            out.append(Asked(asked.source, asked.text, tuple(kept)))
    return out


def _with_generic(asked: Asked, share: float, rng: random.Random) -> Asked:
    if rng.random() >= share:
        return asked
    return Asked(asked.source, asked.text, (*asked.qa, (rng.choice(GENERIC_QUESTIONS), ITSELF)))


class _Cutter:
    """The passage of a long text that a question is asked of; the text itself where it is short enough."""

    def __init__(self, letters: int) -> None:
        self.letters = letters
        self.known: dict[str, list[str]] = {}

    def __call__(self, text: str, question: str, answer: str) -> str | None:
        if not self.letters or len(text) <= self.letters:
            return text
        if text not in self.known:
            self.known[text] = passages(text, self.letters)
        return passage_of(self.known[text], question, answer)


def _capped(texts: list[Asked], cap: int, questions: int, rng: random.Random) -> list[Asked]:
    """Texts in random order, each with at most ``questions`` questions, until ``cap`` rows are reached."""
    out: list[Asked] = []
    total = 0
    for asked in rng.sample(texts, len(texts)):
        if total >= cap:
            break
        qa = rng.sample(asked.qa, min(questions, len(asked.qa)))
        out.append(Asked(asked.source, asked.text, tuple(qa)))
        total += len(qa)
    return out


def _allowed_sources(folder: Path, recipe: DataRecipe) -> set[tuple[str, str]] | None:
    """The (file, source) pairs of the wanted classes in sources.csv; None when there is no such list."""
    listing = folder / "sources.csv"
    if not listing.exists():
        return None
    with listing.open(newline="", encoding="utf-8") as file:
        return {(row["file"], row["source"]) for row in csv.DictReader(file) if row["class"] in recipe.classes}


def _rows_of(path: Path) -> Iterator[tuple[str, str, str, str]]:
    if not path.exists():
        raise InputError(f"The training file {path} must exist. Give the right folder with --data.")
    frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_ndjson(path)
    missing = [name for name in ("text", "question", "answer") if name not in frame.columns]
    if missing:
        raise InputError(f"{path} must have a column {missing[0]!r}. It has {', '.join(frame.columns)}.")
    if "source" not in frame.columns:
        frame = frame.with_columns(pl.lit(path.stem).alias("source"))
    yield from frame.select("source", "text", "question", "answer").iter_rows()


def _written_rows(path: Path) -> Iterator[tuple[str, list[QA]]]:
    if not path.exists():
        raise InputError(f"The training file {path} must exist. Run from the repository's root.")
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            yield row["text"], [(question, answer) for question, answer in row["qa"]]
