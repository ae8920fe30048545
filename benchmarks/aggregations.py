"""All aggregations of one model beside its baselines, from one pass over the texts: the sets that need no hub.

    python benchmarks/aggregations.py --data ../shared/data/eval --seeds 3 --output docs/scores/aggregations

The numbers are those of `answerspace evaluate --aggregation A --aggregation B ...`, which goes over the texts once per
aggregation. Re-encoding here takes the answer that the model gives without sampling (`reencode, greedy`).
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from answerspace import Embedder
from answerspace.aggregation import AGGREGATIONS
from answerspace.answers import Answered, Array
from answerspace.evaluation.encoders.baselines import SentenceTransformerBaseline
from answerspace.evaluation.encoders.contenders import BUNDLED, Contender, baseline
from answerspace.evaluation.page import write_page
from answerspace.evaluation.protocol import make_protocol
from answerspace.evaluation.results import EncoderFacts
from answerspace.evaluation.run import evaluate
from answerspace.evaluation.suites import select_tasks
from answerspace.evaluation.tables import markdown, write_tables
from answerspace.evaluation.tasks.rows import Data
from answerspace.evaluation.vectors import Vectors
from answerspace.similarity import unit_rows

GREEDY = "reencode, greedy"


def side_by_side(answered: Answered) -> Array:
    """(B, 5 D): every aggregation's vector, one after the other."""
    return np.concatenate([function(answered) for function in AGGREGATIONS.values()], axis=1)


class OnePass:
    """Everything in one vector: the five aggregations (D numbers each), then the re-encoded answer."""

    def __init__(self, embedder: Embedder, reencoder: SentenceTransformerBaseline) -> None:
        self.embedder, self.reencoder = embedder, reencoder

    def encode(self, texts: Sequence[str], *, instruction: str) -> Array:
        """(n, 5 D + R)."""
        asked = self.embedder.ask_and_answer(texts, [instruction], aggregation=side_by_side, normalize=False)[0]
        return np.concatenate([asked.vectors, self.reencoder.encode(asked.answers, instruction="")], axis=1)


class Part:
    """One aggregation of what a OnePass gives, kept on disk by ``vectors``."""

    def __init__(self, vectors: Vectors, place: slice) -> None:
        self.vectors, self.place = vectors, place

    def encode(self, texts: Sequence[str], *, instruction: str) -> Array:
        """(n, D) unit vectors."""
        return unit_rows(self.vectors.ask(texts, instruction)[:, self.place])

    def encode_paired(self, texts: Sequence[str], instructions: Sequence[str]) -> Array:
        """(n, D) unit vectors, text i under instruction i."""
        return unit_rows(self.vectors.ask_paired(texts, instructions)[:, self.place])


def contenders(embedder: Embedder, model: str, work: Path) -> list[Contender]:
    """A contender per aggregation, all from the same vectors."""
    vectors = Vectors(OnePass(embedder, SentenceTransformerBaseline()), f"{model} one pass", work)
    width = embedder.dimension
    places = {name: slice(i * width, (i + 1) * width) for i, name in enumerate(AGGREGATIONS)}
    places[GREEDY] = slice(len(AGGREGATIONS) * width, None)
    return [
        Contender(
            EncoderFacts(f"{model} ({name})", "model", {"model": model, "aggregation": name}),
            lambda place=place: Part(vectors, place),  # type: ignore[misc]
        )
        for name, place in places.items()
    ]


def main(arguments: Sequence[str]) -> int:
    """Evaluate, print the table, write tables, plots and page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--work", type=Path, default=Path("runs/aggregations"), help="vectors and k-means runs")
    parser.add_argument("--model", default=BUNDLED)
    parser.add_argument("--suite", action="append")
    parser.add_argument("--task", action="append")
    parser.add_argument("--baseline", action="append")
    parser.add_argument("--seeds", type=int, default=10)
    chosen = parser.parse_args(arguments)
    data = Data(chosen.data)
    tasks: list[Any] = select_tasks(chosen.suite or ["written"], data, only=chosen.task or [])
    tasks = [task for task in tasks if task.kind != "lists"]
    embedder = Embedder.load(None if chosen.model == BUNDLED else chosen.model)
    named = [baseline(word) for word in chosen.baseline or ("minilm", "minilm-prefix", "random")]
    found = evaluate(
        [*contenders(embedder, chosen.model, chosen.work / ".work" / "vectors"), *named],
        tasks,
        data,
        make_protocol("robust", seeds=chosen.seeds),
        output=chosen.work,
        facts={"data": chosen.data, "command": shlex.join(["python", "benchmarks/aggregations.py", *arguments])},
        threads=1,
        tell=lambda note: print(note, file=sys.stderr, flush=True),
    )
    print(markdown(found), end="")
    for path in [*write_tables(found, chosen.output), *write_page(found, chosen.output)]:
        print(f"Wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
