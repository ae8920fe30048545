"""benchmarks/reproduce.md is what its script writes, and every command in it is one that the package understands."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from answerspace.cli.main import run
from answerspace.errors import ModelError
from answerspace.evaluation.published import TABLE_1, TABLE_2
from answerspace.loading import LoadOptions, resolve_template
from answerspace.training.language_recipe import read_language_recipe

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "reproduce.py"


def _script() -> Any:
    spec = importlib.util.spec_from_file_location("reproduce", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["reproduce"] = module
    spec.loader.exec_module(module)
    return module


reproduce = _script()
COMMANDS = [line for line in reproduce.page().splitlines() if line.startswith("answerspace evaluate")]


def test_the_page_is_as_the_script_writes_it():
    assert reproduce.main(["--check"]) == 0, "type: python benchmarks/reproduce.py"


def test_every_row_of_both_tables_has_a_command_for_each():
    assert [row.system for row in reproduce.ROWS] == list(TABLE_1) == list(TABLE_2)
    for row in reproduce.ROWS:
        for suite in ("awareness", "generic"):
            assert row.command(suite) in COMMANDS


class Loaded(Exception):
    """A command got as far as loading its model."""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_runs_up_to_the_model(command, tmp_path, monkeypatch, capsys):
    """With the loader and the reader of rows passed in or cut off, the next thing would be a download."""
    asked = []

    def load(name, **options):
        asked.append(name)
        chosen = LoadOptions.checked(options)
        if chosen.template is not None:
            resolve_template(chosen.template)
        raise ModelError("stop here")

    def nothing(task, data):
        return []

    class Offline:
        def __init__(self, name, *arguments, **options):
            asked.append(name)
            raise ModelError("stop here")

    monkeypatch.setattr("answerspace.evaluation.run.read_content", nothing)
    monkeypatch.setattr("answerspace.evaluation.encoders.contenders.SentenceTransformerBaseline", Offline)
    monkeypatch.chdir(tmp_path)
    assert run(shlex.split(command)[1:], load=load) == 2
    assert "stop here" in capsys.readouterr().err
    assert len(asked) == 1
    assert asked[0] in command


@pytest.mark.parametrize("row", [row for row in reproduce.ROWS if row.train], ids=lambda row: row.system)
def test_what_is_trained_first_has_a_recipe(row):
    words = list(row.train[2:])
    name, options = words[0], dict(zip(words[1::2], words[2::2], strict=True))
    changes = [options["--set"]] if "--set" in options else []
    recipe = read_language_recipe(name, changes)
    assert recipe.data.remove_stop_words is False
    assert f"{options['--output']}/model" in row.words
