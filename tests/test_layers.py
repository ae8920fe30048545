"""The floors of docs/decisions/0001-floors.md as data: imports go down or stay in the floor, never in a circle."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "answerspace"

# A room (folder) or a single module by its first name; imports count wherever they stand, in functions too.
FLOORS = (
    {"errors", "answers"},
    {"prompts", "protocols", "similarity", "batches", "settings", "results", "progress", "stop_words", "disk_arrays"},
    {"engines", "aggregation", "answer_filter", "head_words"},
    {"backbones"},
    {"loading", "reading_file", "vector_cache"},
    {"questioning", "reading", "embedder"},
    {
        "clustering",
        "projection",
        "delimited_text",
        "tables",
        "table_stream",
        "source_texts",
        "answer_store",
        "spoken_answers",
    },
    {"report", "corpus_clustering", "explanation", "evaluation", "training", "instructions", "task_selection"},
    {"analysis", "corpus_reading", "vector_file", "output_folder"},
    {"cli"},
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS, 1) for room in rooms}
FRONT_DOOR = "answerspace"  # __init__.py re-exports the embedder; a module may ask it for __version__


def modules() -> dict[str, Path]:
    """Dotted name without the package -> file; a room's __init__.py goes by the room's name."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__") or FRONT_DOOR] = path
    return found


MODULES = modules()


def imported(source: str) -> set[str]:
    """The modules of ours that a source text imports, by the names of ``modules``."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative imports hide the floor"
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            modules_inside = {name for name in inside if name.removeprefix("answerspace.") in MODULES}
            names |= modules_inside or {str(node.module)}
    ours = {name for name in names if name.split(".")[0] == "answerspace"}
    return {name.removeprefix("answerspace.") for name in ours}


IMPORTS = {name: imported(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def test_every_module_has_a_floor_and_every_floor_its_modules():
    rooms = {name.split(".")[0] for name in MODULES} - {FRONT_DOOR}
    assert rooms == set(FLOOR)


@pytest.mark.parametrize("name", sorted(set(MODULES) - {FRONT_DOOR}))
def test_imports_point_down_or_stay_in_the_floor(name):
    here = FLOOR[name.split(".")[0]]
    upward = {other for other in IMPORTS[name] - {FRONT_DOOR} if FLOOR[other.split(".")[0]] > here}
    assert not upward, f"{name} (floor {here}) imports upward; pass a value instead"


def test_there_are_no_import_cycles():
    graph = {name: others - {name, FRONT_DOOR} for name, others in IMPORTS.items() if name != FRONT_DOOR}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import numpy\nfrom answerspace.errors import InputError", {"errors"}),
        ("def late():\n    from answerspace.engines.torch import TorchEngine", {"engines.torch"}),
        ("from answerspace.cli import options", {"cli.options"}),
        ("import answerspace.tables", {"tables"}),
        ("from answerspace import __version__", {"answerspace"}),
    ],
)
def test_imports_are_found_in_every_form(source, names):
    assert imported(source) == names
