"""Tables of scores: how each of several models did on each item of a benchmark, read from a file."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from answerspace.answer_store import put_in_place
from answerspace.errors import InputError
from answerspace.instructions.compression import ShortBenchmark
from answerspace.tables import as_text, read_table

OFFSET = "(offset)"  # the item under which a short benchmark's offset is written
REASONS_NAMED = 5


@dataclass(frozen=True)
class ScoreTable:
    """``scores`` (items, models), all finite; ``texts`` are the items' instructions where the file has them."""

    items: list[str]
    models: list[str]
    scores: npt.NDArray[np.float64]
    texts: list[str] | None = None
    notes: list[str] = field(default_factory=list)


def read_scores(
    source: str | Path,
    *,
    item: str | None = None,
    text: str | None = None,
    fewest_models: int = 2,
    fewest_items: int = 2,
) -> ScoreTable:
    """Read a table with one row an item and one column a model, or one row a score (columns item, model, score).

    CSV, TSV, JSON Lines or Parquet. ``item`` names the column that tells the items apart (left out: ``item``, ``id``,
    or the row number), ``text`` the one with their instructions; every other column that holds numbers only is a
    model. Items with a missing score or met twice, and columns without numbers, are left out with a note. Raises
    InputError when fewer than ``fewest_models`` or ``fewest_items`` remain.
    """
    table = read_table(source)
    for name, option in ((item, "--item"), (text, "--text")):
        if name is not None and name not in table.frame.columns:
            raise InputError(f"{option} must be a column: {', '.join(table.frame.columns)}. Got {name!r}.")
    notes = list(table.notes)
    frame = table.frame
    if {"model", "score"} <= set(frame.columns):
        frame = _widened(frame, item or "item", text, table.name, notes)
        item = item or "item"
    found = _checked(_split(frame, item, text, notes), notes)
    if len(found.models) < fewest_models or len(found.items) < fewest_items:
        raise InputError(
            f"{table.name} must have at least {fewest_models} models and {fewest_items} items with all their scores. "
            f"Got {len(found.models)} models and {len(found.items)} whole items."
        )
    return found


@dataclass(frozen=True)
class _Columns:
    items: list[str]
    texts: list[str] | None
    numbers: pl.DataFrame


def _split(frame: pl.DataFrame, item: str | None, text: str | None, notes: list[str]) -> _Columns:
    item = item or next((name for name in ("item", "id") if name in frame.columns), None)
    names = (
        [str(row) for row in range(1, frame.height + 1)] if item is None else list(map(as_text, frame[item].to_list()))
    )
    texts = None if text is None else [as_text("" if cell is None else cell) for cell in frame[text].to_list()]
    kept, other = {}, []
    for name in frame.columns:
        if name not in (item, text):
            cells = _numbers(frame[name])
            if cells is None:
                other.append(name)
            else:
                kept[name] = cells
    if other:
        notes.append(f"Left out because they hold something else than numbers: {', '.join(other)}.")
    return _Columns(names, texts, pl.DataFrame(kept))


def _numbers(series: pl.Series) -> pl.Series | None:
    """The cells as numbers, null where empty; None when a cell is filled with something else."""
    if series.dtype == pl.Boolean or series.dtype.is_numeric():
        return series.cast(pl.Float64)
    if series.dtype != pl.String:
        return None
    stripped = series.str.strip_chars()
    words = stripped.str.to_lowercase()
    empty = words.is_null() | words.is_in(["", "nan", "null", "na", "n/a"])
    truth = words.replace_strict({"true": "1", "false": "0"}, default=stripped)
    made = truth.cast(pl.Float64, strict=False)
    return None if bool((made.is_null() & ~empty).any()) or bool(empty.all()) else made


def _widened(frame: pl.DataFrame, item: str, text: str | None, name: str, notes: list[str]) -> pl.DataFrame:
    if item not in frame.columns:
        raise InputError(f"{name} with columns model and score must have the column {item!r} too; see --item.")
    scores = _numbers(frame["score"])
    if scores is None:
        raise InputError(f"The column 'score' of {name} must hold numbers only.")
    kept = frame.with_columns(scores.alias("score"))
    twice = kept.height - kept.unique([item, "model"]).height
    if twice:
        notes.append(f"{twice:,} scores of an item and model met before were left out.")
    kept = kept.unique([item, "model"], keep="first", maintain_order=True)
    wide = kept.pivot("model", index=item, values="score")
    if text is None:
        return wide
    return wide.join(kept.unique(item, keep="first", maintain_order=True).select(item, text), on=item, how="left")


def _checked(columns: _Columns, notes: list[str]) -> ScoreTable:
    models = columns.numbers.columns
    scores = columns.numbers.to_numpy().astype(np.float64) if models else np.zeros((len(columns.items), 0))
    whole = np.isfinite(scores).all(1)
    first = {name: row for row, name in reversed(list(enumerate(columns.items)))}
    alone = np.array([first[name] == row for row, name in enumerate(columns.items)], bool)
    for bad, why in ((~whole, "lack a score"), (whole & ~alone, "name an item met before")):
        rows = np.flatnonzero(bad)
        if len(rows):
            shown = ", ".join(columns.items[row] for row in rows[:REASONS_NAMED]) + (
                ", …" if len(rows) > REASONS_NAMED else ""
            )
            notes.append(f"{len(rows):,} of {len(columns.items):,} items were left out because they {why} ({shown}).")
    keep = np.flatnonzero(whole & alone)
    texts = None if columns.texts is None else [columns.texts[row] for row in keep]
    return ScoreTable([columns.items[row] for row in keep], models, scores[keep], texts, notes)


# --- short benchmarks in files -----------------------------------------------------------------------------------


def checked_csv(path: str | Path) -> Path:
    """The path, or an InputError when it does not end in .csv or its folder does not exist."""
    path = Path(path)
    if path.suffix != ".csv":
        raise InputError(f"--output must end in .csv. Got {path.name!r}.")
    if not path.parent.is_dir():
        raise InputError(f"--output must lie in a folder that exists. Got {str(path)!r}.")
    return path


def write_short(path: Path, table: ScoreTable, short: ShortBenchmark) -> None:
    """Write the kept items with their weights, the offset as an item of its own, and the instructions if known."""
    with put_in_place(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["item", "weight", *(["text"] if table.texts is not None else [])])
        for row, weight in zip(short.rows, short.weights.tolist(), strict=True):
            writer.writerow([table.items[row], repr(weight), *([table.texts[row]] if table.texts is not None else [])])
        writer.writerow([OFFSET, repr(float(short.offset)), *([""] if table.texts is not None else [])])


def estimate_from(path: str | Path, table: ScoreTable) -> dict[str, float]:
    """Each model's estimated mean over the whole benchmark, by its scores on the items of a file of ``write_short``.

    Raises InputError when the file is no such file or the table lacks one of its items.
    """
    frame = read_table(path).frame
    if not {"item", "weight"} <= set(frame.columns):
        raise InputError(f"{path} must have the columns item and weight, as compress writes them.")
    weights = _numbers(frame["weight"])
    if weights is None or weights.null_count():
        raise InputError(f"The column 'weight' of {path} must hold numbers only.")
    kept = dict(zip(map(as_text, frame["item"].to_list()), weights.to_list(), strict=True))
    offset = kept.pop(OFFSET, 0.0)
    places = {name: row for row, name in enumerate(table.items)}
    missing = [name for name in kept if name not in places]
    if missing:
        shown = ", ".join(missing[:REASONS_NAMED]) + (", …" if len(missing) > REASONS_NAMED else "")
        raise InputError(f"The scores must hold every item of {path}. Got none for {len(missing):,} of them ({shown}).")
    rows = [places[name] for name in kept]
    short = ShortBenchmark(rows, np.array(list(kept.values())), offset)
    return dict(zip(table.models, short.estimate(table.scores[rows]).tolist(), strict=True))
