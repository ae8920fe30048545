"""What a reading on disk loses: the same questions put to a reading in memory and to the same reading saved and opened.

    python benchmarks/reading_loss.py --data ../shared/data/eval [--seeds 10] [--task 'feedback.*'] [--output DIR]

States are kept in 8 bits on disk (decision 6). The bound is a mean loss of 0.5 V over the written criteria. Also
printed: the bytes that the files take for each token read, everything in them counted.
"""

from __future__ import annotations

import argparse
import hashlib
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from answerspace import Embedder
from answerspace.answers import Array
from answerspace.evaluation.encoders.contenders import Contender
from answerspace.evaluation.protocol import make_protocol
from answerspace.evaluation.results import EncoderFacts
from answerspace.evaluation.run import evaluate
from answerspace.evaluation.suites import select_tasks
from answerspace.evaluation.tables import markdown
from answerspace.evaluation.tasks.rows import Data


class InMemory:
    """Questions to a reading that was never written."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def encode(self, texts: Sequence[str], *, instruction: str) -> Array:
        """(n, d)."""
        return np.asarray(self.embedder.read(texts).ask(instruction))


class OnDisk:
    """Questions to a reading that was saved to ``folder`` and opened again; equal texts are read once."""

    def __init__(self, embedder: Embedder, folder: Path) -> None:
        self.embedder, self.folder = embedder, folder
        self.tokens = 0

    def encode(self, texts: Sequence[str], *, instruction: str) -> Array:
        """(n, d)."""
        path = self.folder / f"{hashlib.blake2b(repr(list(texts)).encode(), digest_size=12).hexdigest()}.reading"
        if not path.exists():
            self.embedder.read(texts).save(path)
            backbone = self.embedder.backbone
            self.tokens += sum(min(len(backbone.token_ids(text)) + 2, backbone.max_length) for text in texts)
        return np.asarray(self.embedder.open_reading(path).ask(instruction))

    def bytes_per_token(self) -> float:
        """Of everything that was saved."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()) / self.tokens


def main(arguments: Sequence[str]) -> int:
    """Evaluate both, print and keep the table with the paired difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--task", action="append")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    chosen = parser.parse_args(arguments)
    data, embedder = Data(chosen.data), Embedder.load()
    tasks: list[Any] = [
        task for task in select_tasks(["written"], data, only=chosen.task or []) if task.kind == "clustering"
    ]
    with tempfile.TemporaryDirectory() as scratch:
        on_disk = OnDisk(embedder, Path(scratch))
        found = evaluate(
            [
                Contender(EncoderFacts("on disk", "model"), lambda: on_disk),
                Contender(EncoderFacts("in memory", "baseline"), lambda: InMemory(embedder)),
            ],
            tasks,
            data,
            make_protocol("robust", seeds=chosen.seeds),
            facts={"data": chosen.data, "command": shlex.join(["python", "benchmarks/reading_loss.py", *arguments])},
            tell=lambda note: print(note, file=sys.stderr, flush=True),
        )
        page = markdown(found) + f"\nOn disk: {on_disk.bytes_per_token():,.0f} bytes a token, everything counted.\n"
    chosen.output.mkdir(parents=True, exist_ok=True)
    (chosen.output / "reading_loss.md").write_text(page, "utf-8")
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
