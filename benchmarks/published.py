"""How fast we are beside the InBedder authors' algorithm: same weights, same texts, same vectors.

    python benchmarks/published.py [--sizes tiny 100m] [--texts 256] [--rounds 3] [--clock wall] [--output DIR]

Random-weight RoBERTa and OPT models with a vocabulary of 50,265 (benchmarks/random_models.py) embed short texts (about
18 tokens) under one question and under ten. The baseline is benchmarks/published_algorithm.py with the published batch
sizes and answer lengths; ours is ``Embedder.encode`` as it stands. Candidates take turns in every round. Before
anything is timed the vectors are compared: the benchmark fails when a cosine is below 0.9999.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import transformers
from measuring import CLOCKS, QUESTIONS, Measured, corpus, machine, timed
from published_algorithm import causal_vectors, masked_vectors
from random_models import causal_model, masked_model

from answerspace import Embedder
from answerspace.backbones.causal import CausalBackbone
from answerspace.backbones.masked import MaskedBackbone
from answerspace.progress import track
from answerspace.settings import Settings

Encode = Callable[[list[str], list[str]], np.ndarray]
LEAST_COSINE = 0.9999


def masked_pair(size: str) -> dict[str, Encode]:
    """The baseline and ours over one masked model: (texts, questions) -> (q, n, D)."""
    model, tokenizer = masked_model(size)
    ours = Embedder(MaskedBackbone(model, tokenizer), Settings(normalize=False))

    def published(texts: list[str], questions: list[str]) -> np.ndarray:
        return np.stack([masked_vectors(model, tokenizer, texts, q)[:, -1] for q in questions])

    return {"published": published, "ours": lambda texts, questions: ours.encode(texts, questions)}


def causal_pair(size: str, new_tokens: int) -> dict[str, Encode]:
    """The same for a causal model and its 1st-gen vectors; the baseline generates ``new_tokens`` all the same."""
    model, tokenizer = causal_model(size)
    ours = Embedder(CausalBackbone(model, tokenizer), Settings(aggregation="first_answer", normalize=False))

    def published(texts: list[str], questions: list[str]) -> np.ndarray:
        return np.stack(
            [
                causal_vectors(model, tokenizer, texts, q, new_tokens=new_tokens)["first_answer"][:, -1]
                for q in questions
            ]
        )

    return {"published": published, "ours": lambda texts, questions: ours.encode(texts, questions)}


def compared(pair: dict[str, Encode], texts: list[str]) -> float:
    """The least cosine between the two, after taking each question's mean away from both."""
    one, other = (pair[name](texts, QUESTIONS[:2]) for name in ("published", "ours"))
    one, other = (v - one.mean(1, keepdims=True) for v in (one, other))
    return float(((one * other).sum(-1) / (np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1))).min())


def speeds(pair: dict[str, Encode], texts: list[str], questions: list[str], options: argparse.Namespace) -> dict:
    """Questions answered per second, and the ratio within a round."""
    seconds: dict[str, list[float]] = {name: [] for name in pair}
    for _ in track(range(options.rounds), f"{len(questions)} question(s)"):
        for name, encode in pair.items():
            seconds[name].append(timed(lambda encode=encode: encode(texts, questions), options.clock))
    ratio = [a / b for a, b in zip(seconds["published"], seconds["ours"], strict=True)]
    asked = len(texts) * len(questions)
    return {name: Measured.of([asked / s for s in taken]) for name, taken in seconds.items()} | {
        "ours / published": Measured.of(ratio)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["tiny", "100m"])
    parser.add_argument("--kinds", nargs="+", default=["masked", "causal"], choices=["masked", "causal"])
    parser.add_argument("--texts", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--questions", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--new-tokens", type=int, default=20, help="what the published code generates (OPT: 20)")
    parser.add_argument("--threads", type=int, default=0, help="torch threads; 0 leaves it to torch")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()

    facts = machine("torch", "transformers") | {"threads": str(torch.get_num_threads()), "clock": options.clock}
    texts = corpus(options.texts, 14, 0.4, 40)
    rows = []
    for size in options.sizes:
        for kind in options.kinds:
            pair = masked_pair(size) if kind == "masked" else causal_pair(size, options.new_tokens)
            cosine = compared(pair, texts[:16])
            if cosine < LEAST_COSINE:
                raise SystemExit(f"The vectors must be the same. Got a cosine of {cosine:.6f} for {kind}, {size}.")
            for count in options.questions:
                found = speeds(pair, texts, QUESTIONS[:count], options)
                rows.append({"model": f"{kind}, {size}", "questions": count, "least cosine": cosine, **found})
                write(facts, options, rows)


def write(facts: dict[str, str], options: argparse.Namespace, rows: list[dict]) -> None:
    """What is measured so far, as Markdown and JSON."""
    lines = ["# Beside the published algorithm", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    lines += [f"- {options.texts} short texts, {options.rounds} rounds: median [least, most]", ""]
    lines += [
        "| model | questions | published, answers/s | ours | times faster | least cosine |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = (row["model"], row["questions"], row["published"], row["ours"], row["ours / published"])
        lines.append(f"| {' | '.join(map(str, cells))} | {row['least cosine']:.6f} |")
    options.output.mkdir(parents=True, exist_ok=True)
    page = "\n".join(lines) + "\n"
    (options.output / "published.md").write_text(page, "utf-8")
    result = {"machine": facts, "rows": rows, "time": time.strftime("%Y-%m-%d %H:%M")}
    (options.output / "published.json").write_text(json.dumps(result, indent=1, default=asdict) + "\n", "utf-8")
    print(page, flush=True)


if __name__ == "__main__":
    main()
