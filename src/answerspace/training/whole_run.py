"""A bundled model's recipe in, a loadable model out: the one function behind ``answerspace train``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from answerspace.embedder import Embedder
from answerspace.errors import InputError
from answerspace.training.bundled import Run
from answerspace.training.card import card
from answerspace.training.export import export
from answerspace.training.qa_rows import by_text, read_qa
from answerspace.training.recipe import Recipe, read_recipe
from answerspace.training.rows import Rows, read_rows
from answerspace.training.teacher import TeacherVectors
from answerspace.training.toml_values import recipe_text


def train_bundled(
    recipe: str | Path,
    data: str | Path | None,
    output: Path,
    *,
    base: str | None = None,
    teacher: str | Path | Embedder | None = None,
    changes: Sequence[str] = (),
    device: str | None = None,
    tell: Callable[[str], None] = lambda note: None,
) -> Path:
    """Train by the recipe and write checkpoint, log and ``model/`` to ``output``; returns the model's folder.

    ``data`` is the folder of the recipe's files, or a file or hub id (``qa_rows.read_qa``); None is the recipe's own
    source. A folder with a checkpoint is gone on with. Written questions and answers are looked for from the current
    folder. ``base`` replaces the recipe's start, ``changes`` are "section.key=value". With a ``teacher`` its vectors
    are learned too and kept in ``output/teacher``. Raises InputError for a recipe or data that cannot be used.
    """
    chosen = read_recipe(recipe, changes)
    chosen = chosen if base is None else replace(chosen, start=base)
    if chosen.distil is not None and teacher is None:
        raise InputError(f"A teacher must be given with --teacher: the recipe {recipe} has a section [distil].")
    rows, source = _rows(chosen, data, tell)
    vectors, taught_by = None, None
    if teacher is not None:
        embedder, taught_by = _teacher(teacher)
        vectors = TeacherVectors(embedder, output / "teacher")
    run = Run(chosen, rows, output, device or ("cuda" if torch.cuda.is_available() else "cpu"), teacher=vectors)
    scores = run.train()
    folder = output / "model"
    set_by_hand = [f"# --set {change}\n" for change in changes] + ([f"# --base {base}\n"] if base else [])
    text = recipe_text(recipe).rstrip("\n") + "\n" + "".join(set_by_hand)
    made = card(Path(recipe).name, text, rows, run.state, scores, source=source, teacher=taught_by)
    export(run.network, run.start, folder, made)
    return folder


def _teacher(teacher: str | Path | Embedder) -> tuple[Embedder, str]:
    """The embedder and what to call it."""
    if isinstance(teacher, Embedder):
        return teacher, f"a {teacher.backbone.kind} embedder"
    return Embedder.load(str(teacher)), str(teacher)


def _rows(recipe: Recipe, data: str | Path | None, tell: Callable[[str], None]) -> tuple[Rows, str | None]:
    """The rows, and what to call them where they are the user's own."""
    if data is not None and Path(data).is_dir():
        if not recipe.data.files:
            raise InputError(f"--data must be a file or a hub id for a recipe without data.files. Got {str(data)!r}.")
        return read_rows(Path(data), recipe.data), None
    source = str(data or recipe.data.source)
    if not source or (data is None and recipe.data.files):
        raise InputError("The folder with the recipe's data files must be given with --data.")
    gold = recipe.distil is None or recipe.distil.gold > 0
    found = read_qa(source, dev_share=recipe.data.dev_share, answers_needed=gold)
    for note in found.notes:
        tell(note)
    return by_text(found), source
