"""What a GPU makes of causal models: precision, attention, compilation; use of the hardware, reuse of a reading.

    python benchmarks/gpu.py [--sizes 100m 1b] [--peak 989] [--output benchmarks/results]

Needs a CUDA device; ``--device cpu --sizes tiny --texts 8`` only shows that it runs. Random-weight OPT models, texts of
about 300 tokens, ten questions. For each precision, attention and with or without ``torch.compile``:

    prefill     tokens/s of reading, and model FLOP utilisation: 2 x parameters x tokens (attention's products added)
                over the time and ``--peak`` TFLOP/s (H100 and H200 SXM, dense bf16: 989)
    questions   answers/s by plain passes, from a kept reading, and with all questions in one pass

Every time is taken between synchronisations, the median over rounds after two to warm up. A way that this machine or
this torch cannot run is a row that says why.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from measuring import QUESTIONS, corpus, machine
from random_models import causal_model

from answerspace.answers import Asking
from answerspace.backbones.causal import CausalBackbone

FIRST = Asking(answer_tokens=0, prompt_states=False, words=False)
WAYS = [  # precision, attention, compiled
    ("float32", "sdpa", False),
    ("bfloat16", "eager", False),
    ("bfloat16", "sdpa", False),
    ("bfloat16", "sdpa", True),
    ("bfloat16", "flash_attention_2", False),
]
WARM = 2


def seconds(call: Callable[[], object], rounds: int, device: str) -> float:
    """The median time of a call, synchronised."""
    taken = []
    for round_ in range(WARM + rounds):
        _wait(device)
        start = time.perf_counter()
        call()
        _wait(device)
        if round_ >= WARM:
            taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def flops(model: Any, rows: int, tokens: int) -> float:
    """Of one pass over (rows, tokens): two a weight of the blocks and a token, and the two products of attention.

    Embeddings are look-ups and the head is not run, so neither counts. A causal product is half a full one.
    """
    stack = model.get_decoder()
    weights = sum(p.numel() for name, p in stack.named_parameters() if "embed" not in name and p.dim() > 1)
    config = model.config
    attention = 2 * config.num_hidden_layers * config.hidden_size * tokens * tokens  # 2 products x 2 x half
    return float(rows) * (2 * weights * tokens + attention)


def measured(size: str, way: tuple[str, str, bool], options: argparse.Namespace) -> dict[str, Any]:
    """One row of the table."""
    precision, attention, compiled = way
    model, tokenizer = causal_model(size, precision, options.device)
    model.set_attn_implementation(attention)
    backbone = CausalBackbone(model, tokenizer)
    texts = corpus(options.texts, options.words, 0.05, options.words + 40)
    ids = torch.randint(5, 1000, (options.texts, options.words), device=options.device)
    stack: Any = torch.compile(backbone.stack) if compiled else backbone.stack

    @torch.inference_mode()
    def prefill() -> None:
        stack(input_ids=ids, use_cache=False)

    def plain() -> None:
        for question in QUESTIONS:
            backbone.ask(backbone.read(texts), [question] * len(texts), FIRST)

    def kept() -> None:
        read = backbone.read(texts)
        for question in QUESTIONS:
            backbone.ask(read, [question] * len(texts), FIRST)

    def packed() -> None:
        if backbone.ask_many(backbone.read(texts), QUESTIONS, FIRST) is None:
            raise RuntimeError("this attention takes no mask of ours")

    took = seconds(prefill, options.rounds, options.device)
    row: dict[str, Any] = {
        "tokens/s": ids.numel() / took,
        "utilisation": flops(model, *ids.shape) / took / (options.peak * 1e12),
    }
    if compiled:
        return row  # the hooks and growing caches of asking are not compiled
    asked = len(texts) * len(QUESTIONS)
    for name, call in (("plain", plain), ("reading", kept), ("packed", packed)):
        try:
            row[name] = asked / seconds(call, options.rounds, options.device)
        except RuntimeError as error:
            row[name] = str(error).splitlines()[0][:80]
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["100m", "1b"])
    parser.add_argument("--texts", type=int, default=64)
    parser.add_argument("--words", type=int, default=280, help="words a text: about as many tokens")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--peak", type=float, default=989.0, help="TFLOP/s of the device in bf16")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("A CUDA device must be there. Found none; --device cpu --sizes tiny only shows that it runs.")
    transformers.logging.set_verbosity_error()
    torch.backends.cuda.matmul.allow_tf32 = True

    facts = machine("torch", "transformers")
    if options.device == "cuda":
        facts["device"] = torch.cuda.get_device_name()
    rows = []
    for size in options.sizes:
        for way in WAYS:
            row: dict[str, Any] = {"model": size, "way": ", ".join((*way[:2], *["compiled"] * way[2]))}
            try:
                row |= measured(size, way, options)
            except Exception as error:  # what cannot run here is a result too
                row["failed"] = str(error).strip().splitlines()[0][:120]
            rows.append(row)
            print(row, flush=True)
            write(facts, options, rows)


def write(facts: dict[str, str], options: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    """The table as Markdown and JSON."""
    names = ["tokens/s", "utilisation", "plain", "reading", "packed"]
    lines = ["# Causal models on a GPU", "", *(f"- {name}: {value}" for name, value in facts.items())]
    lines += [
        f"- {options.texts} texts of {options.words} tokens, ten questions; answers/s in the last three columns",
        "",
    ]
    lines += [f"| model | way | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    for row in rows:
        cells = [row["failed"], *[""] * 4] if "failed" in row else [_cell(row.get(name, "")) for name in names]
        lines.append(f"| {row['model']} | {row['way']} | {' | '.join(cells)} |")
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "gpu.md").write_text("\n".join(lines) + "\n", "utf-8")
    (options.output / "gpu.json").write_text(json.dumps({"machine": facts, "rows": rows}, indent=1) + "\n", "utf-8")


def _cell(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
