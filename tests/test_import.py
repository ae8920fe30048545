"""What ``import answerspace`` and the command line's help load: nothing heavy, nothing of an extra."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "accelerate",
    "huggingface_hub",
    "onnx",
    "onnxruntime",
    "openvino",
    "peft",
    "polars",
    "safetensors",
    "scipy",
    "sentence_transformers",
    "sklearn",
    "tokenizers",
    "torch",
    "transformers",
}
BEFORE = "import sys, numpy; before = set(sys.modules)\n"
AFTER = "\nprint(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"


def loaded_by(statement: str) -> set[str]:
    """First names of the modules that a statement loads in a new process, beyond what comes with numpy."""
    done = subprocess.run(
        [sys.executable, "-c", BEFORE + statement + AFTER], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


def test_import_loads_our_own_modules_and_the_standard_library_alone():
    others = loaded_by("import answerspace") - {"answerspace", "numpy"} - set(sys.stdlib_module_names)
    assert others == set()


@pytest.mark.parametrize("statement", ["import answerspace", "from answerspace.cli.main import make_app; make_app()"])
def test_nothing_heavy_is_loaded(statement):
    assert not loaded_by(statement) & HEAVY
