"""What ten questions cost a causal model: plain passes, a kept reading, and all questions of a text in one pass.

    python benchmarks/further_questions.py [--sizes tiny 100m] [--texts 32] [--tokens 300] [--rounds 3] [--output DIR]

Random-weight OPT models; texts of about 300 tokens; vectors are those of the first answer state.

    plain    one forward pass a question over whole prompts, in batches of like length, no cache
    reading  ``embedder.read`` once, ``reading.ask`` ten times, the reading's cost included
    packed   the same with ``ask_many``: the ten questions of a text behind its cache in one pass

Candidates take turns in every round; ratios are within a round. The benchmark fails when the vectors of two candidates
are further apart than 1e-4 of their size.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from measuring import CLOCKS, QUESTIONS, Measured, corpus, machine, timed
from random_models import causal_model

from answerspace import Embedder
from answerspace.answers import Asking
from answerspace.backbones.causal import CausalBackbone
from answerspace.backbones.torch_model import padded
from answerspace.progress import track
from answerspace.settings import Settings

FIRST = Asking(answer_tokens=0, prompt_states=False, words=False)
CLOSE = 1e-4


class Candidates:
    """Three ways to the same (q, n, D) vectors."""

    def __init__(self, size: str, texts: list[str], batch: int) -> None:
        self.backbone = CausalBackbone(*causal_model(size))
        self.embedder = Embedder(self.backbone, Settings(aggregation="first_answer", normalize=False))
        self.texts = sorted(texts, key=len)
        self.batches = [self.texts[i : i + batch] for i in range(0, len(texts), batch)]
        self.batch = batch

    @torch.inference_mode()
    def plain(self, questions: list[str]) -> np.ndarray:
        """One pass over whole prompts for each question."""
        return np.stack([np.concatenate([self._plain(batch, q) for batch in self.batches]) for q in questions])

    def reading(self, questions: list[str]) -> np.ndarray:
        """Read once, ask each question."""
        reading = self.embedder.read(self.texts, batch_size=self.batch)
        return reading.ask(questions)

    def packed(self, questions: list[str]) -> np.ndarray:
        """Read once, ask all questions together, batch by batch."""
        found = []
        for batch in self.batches:
            answered = self.backbone.ask_many(self.backbone.read(batch), questions, FIRST)
            if answered is None:
                raise SystemExit("This model's attention must take a mask of ours. It does not.")
            found.append(np.stack([one.states[:, 0] for one in answered]))
        return np.concatenate(found, 1)

    def _plain(self, texts: list[str], question: str) -> np.ndarray:
        rows = [self.backbone.prompts.prompt(text, question)[0] for text in texts]
        ids, mask = padded(rows, self.backbone.pad_id)
        states = self.backbone.stack(input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask).long())[0]
        return states[torch.arange(len(rows)), torch.tensor(mask.sum(1) - 1)].numpy()


def compared(candidates: Candidates) -> float:
    """The largest difference of any vector from the plain pass, in parts of its size. Stops when it is not small."""
    questions = QUESTIONS[:3]
    plain = candidates.plain(questions)
    size = np.linalg.norm(plain, axis=-1)
    others = {"reading": candidates.reading(questions), "packed": candidates.packed(questions)}
    apart = {name: float((np.linalg.norm(found - plain, axis=-1) / size).max()) for name, found in others.items()}
    if max(apart.values()) > CLOSE:
        raise SystemExit(f"The vectors must be the same within {CLOSE} of their size. Got {apart}.")
    return max(apart.values())


def measured(candidates: Candidates, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds for ten questions, and what they are of ten plain passes."""
    ways = {"plain": candidates.plain, "reading": candidates.reading, "packed": candidates.packed}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in track(range(options.rounds), "ten questions"):
        for name, way in ways.items():
            seconds[name].append(timed(lambda way=way: way(QUESTIONS), options.clock))
    shares = {
        f"{name} / plain": Measured.of([a / b for a, b in zip(seconds[name], seconds["plain"], strict=True)])
        for name in ("reading", "packed")
    }
    return {f"{name}, s": Measured.of(taken) for name, taken in seconds.items()} | shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["tiny", "100m"])
    parser.add_argument("--texts", type=int, default=32)
    parser.add_argument("--words", type=int, default=270, help="words a text: about as many tokens")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="torch threads; 0 leaves it to torch")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()

    facts = machine("torch", "transformers") | {"threads": str(torch.get_num_threads()), "clock": options.clock}
    rows: list[dict[str, Any]] = []
    for size in options.sizes:
        candidates = Candidates(size, corpus(options.texts, options.words, 0.05, options.words + 40), options.batch)
        tokens = np.mean([len(candidates.backbone.prompts.before_question(text)) for text in candidates.texts])
        apart = compared(candidates)
        found = measured(candidates, options)
        rows.append({"model": f"causal, {size}", "tokens": float(tokens), "apart": apart, **found})
        write(facts, options, rows)


def write(facts: dict[str, str], options: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    """What is measured so far, as Markdown and JSON."""
    names = ["plain, s", "reading, s", "packed, s", "reading / plain", "packed / plain"]
    lines = ["# Ten questions to a causal model", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    lines += [f"- {options.texts} texts, ten questions, {options.rounds} rounds: median [least, most]", ""]
    lines += [f"| model | tokens a text | {' | '.join(names)} | largest difference |", "|---" * (len(names) + 3) + "|"]
    for row in rows:
        cells = " | ".join(str(row[name]) for name in names)
        lines.append(f"| {row['model']} | {row['tokens']:.0f} | {cells} | {row['apart']:.1e} |")
    options.output.mkdir(parents=True, exist_ok=True)
    page = "\n".join(lines) + "\n"
    (options.output / "further_questions.md").write_text(page, "utf-8")
    result = {"machine": facts, "rows": rows}
    (options.output / "further_questions.json").write_text(json.dumps(result, indent=1, default=asdict) + "\n", "utf-8")
    print(page, flush=True)


if __name__ == "__main__":
    main()
