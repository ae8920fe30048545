"""How fast the bundled model embeds, beside all-MiniLM-L6-v2, in one run on the same texts.

    python benchmarks/throughput.py [--texts 2000] [--engine-texts 400] [--rounds 3] [--output benchmarks/results]

Two corpora are made up from a fixed seed: one whose texts have about 128 tokens on average and a realistic mix of
lengths, one of short texts. In every round all candidates embed the first ``--engine-texts`` of the long ones (of the
short ones four times as many) in turn, so a machine that slows down slows them all; a ratio is taken within a round,
and its median and range are over rounds. Also measured, on all texts: what a further question costs once a reading is
kept, what ten questions in one call cost against one, and what a call costs against the bare engine on tokenised,
sorted batches. Takes about twenty minutes on two quiet cores. ``--clock processor``
counts the processor's time instead of the
clock's: on a machine with other work only that says something (give OMP_NUM_THREADS=1 with it: torch's threads spin).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from measuring import CLOCKS, QUESTIONS, Measured, corpus, machine, timed
from minilm_backends import backends

from answerspace import Embedder
from answerspace.evaluation.encoders.baselines import minilm_folder
from answerspace.progress import track

OURS = "answerspace"
REFERENCE = "MiniLM, torch fp32"


def candidates(work: Path) -> tuple[dict[str, Callable[[list[str]], np.ndarray]], dict[str, str]]:
    """Functions texts -> vectors by name, and why a candidate is missing."""
    from sentence_transformers import SentenceTransformer

    ours = Embedder.load()
    minilm = SentenceTransformer(minilm_folder(), device="cpu")
    found: dict[str, Callable[[list[str]], np.ndarray]] = {
        OURS: lambda texts: ours.encode(texts, QUESTIONS[0]),
        REFERENCE: lambda texts: minilm.encode(texts, batch_size=32, show_progress_bar=False),
    }
    missing = {}
    onnx_engine = Embedder.load(engine="onnx")
    found["answerspace, ONNX Runtime"] = lambda texts: onnx_engine.encode(texts, QUESTIONS[0])
    try:
        openvino = Embedder.load(engine="openvino")
        found["answerspace, OpenVINO"] = lambda texts: openvino.encode(texts, QUESTIONS[0])
    except Exception as error:
        missing["answerspace, OpenVINO"] = _first_line(error)
    try:
        found |= backends(minilm_folder(), work)
    except Exception as error:
        missing["MiniLM on other engines"] = _first_line(error)
    return found, missing


def speeds(
    found: dict[str, Callable[[list[str]], np.ndarray]], texts: list[str], rounds: int, what: str, clock: str
) -> dict[str, dict[str, Measured]]:
    """Texts/s of each candidate and its ratio to the reference of the same round."""
    for encode in found.values():
        encode(texts[:64])
    seconds: dict[str, list[float]] = {name: [] for name in found}
    for _ in track(range(rounds), what):
        for name, encode in found.items():
            seconds[name].append(timed(lambda encode=encode: encode(texts), clock))
    return {
        name: {
            "texts/s": Measured.of([len(texts) / s for s in taken]),
            "ratio": Measured.of([r / s for r, s in zip(seconds[REFERENCE], taken, strict=True)]),
        }
        for name, taken in seconds.items()
    }


def bare_engine(embedder: Embedder, texts: list[str], clock: str) -> float:
    """Seconds that the two networks take alone: tokenised before, batches of the nearest lengths, nothing gathered."""
    backbone = embedder.backbone
    rows = sorted(([backbone._cls, *backbone._cut(ids), backbone._sep] for ids in backbone._ids(texts)), key=len)
    batches = [backbone._padded(rows[i : i + 32]) for i in range(0, len(rows), 32)]
    questions = [backbone._questions([QUESTIONS[0]] * len(ids))[:2] for ids, _ in batches]
    last = [f"states_{backbone.layers}"]

    def run() -> None:
        for (ids, mask), (asked, asked_mask) in zip(batches, questions, strict=True):
            pairs = backbone._reader.run({"ids": ids, "mask": mask}, backbone._pair_names)
            inputs = {"text_mask": mask, "ids": asked, "mask": asked_mask, **pairs}
            if hasattr(backbone._asker, "run_slots"):
                backbone._asker.run_slots(inputs, backbone.config.slots)
            else:
                backbone._asker.run(inputs, last)

    return timed(run, clock)


def question_costs(texts: list[str], rounds: int, what: str, clock: str) -> dict[str, Measured]:
    """Seconds of the first question and of each further one, and their ratio; ten questions in one call over one."""
    embedder = Embedder.load()
    embedder.encode(texts[:64], QUESTIONS[0])
    first, further, share, ten, bare = [], [], [], [], []
    for _ in track(range(rounds), what):
        start = CLOCKS[clock]()
        reading = embedder.read(texts)
        reading.ask(QUESTIONS[0])
        first.append(CLOCKS[clock]() - start)
        start = CLOCKS[clock]()
        for question in QUESTIONS[1:]:
            reading.ask(question)
        further.append((CLOCKS[clock]() - start) / len(QUESTIONS[1:]))
        share.append(further[-1] / first[-1])
        one = timed(lambda: embedder.encode(texts, QUESTIONS[0]), clock)
        ten.append(timed(lambda: embedder.encode(texts, QUESTIONS), clock) / one)
        bare.append(one / bare_engine(embedder, texts, clock))
    return {
        "first question, s": Measured.of(first),
        "each further question, s": Measured.of(further),
        "further / first": Measured.of(share),
        "ten questions in one call / one": Measured.of(ten),
        "one call / the bare engine": Measured.of(bare),
    }


def mean_tokens(texts: list[str]) -> float:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(minilm_folder()) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return statistics.mean(len(one.ids) for one in tokenizer.encode_batch(texts))


def markdown(result: dict[str, object]) -> str:
    facts, corpora, missing = result["machine"], result["corpora"], result["missing"]
    lines = ["# Throughput", "", f"{result['date']}, {result['rounds']} rounds: median [least, most].", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    for name, one in corpora.items():
        lines += ["", f"## {name}: {one['tokens']:.0f} tokens on average", ""]
        lines += [f"| {one['engine texts']} texts | texts/s | times {REFERENCE} |", "|---|---|---|"]
        lines += [f"| {who} | {row['texts/s']} | {row['ratio']} |" for who, row in one["speeds"].items()]
        lines += ["", f"| questions, {one['texts']} texts | |", "|---|---|"]
        lines += [f"| {what} | {value} |" for what, value in one["questions"].items()]
    lines += ["", *(f"Not measured: {who} ({why})" for who, why in missing.items())]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=2000, help="texts that the questions are asked of")
    parser.add_argument("--engine-texts", type=int, default=400, help="long texts that every engine embeds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()

    facts = machine("numpy", "onnxruntime", "openvino", "torch", "sentence-transformers")
    facts |= {"engine": Embedder.load().backbone.engine, "clock": options.clock}
    work = tempfile.TemporaryDirectory()
    found, missing = candidates(Path(work.name))
    corpora = {}
    for name, texts, some in [
        ("long texts", corpus(options.texts, 115, 0.45, 250), options.engine_texts),
        ("short texts", corpus(options.texts, 14, 0.4, 40), 4 * options.engine_texts),
    ]:
        corpora[name] = {
            "texts": len(texts),
            "engine texts": len(texts[:some]),
            "tokens": mean_tokens(texts),
            "speeds": speeds(found, texts[:some], options.rounds, f"{name}, speed", options.clock),
            "questions": question_costs(texts, options.rounds, f"{name}, questions", options.clock),
        }
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "rounds": options.rounds,
        "machine": facts,
        "corpora": corpora,
        "missing": missing,
    }
    options.output.mkdir(parents=True, exist_ok=True)
    page = markdown(result)
    (options.output / "throughput.md").write_text(page, encoding="utf-8")
    (options.output / "throughput.json").write_text(json.dumps(result, indent=1, default=asdict) + "\n", "utf-8")
    print(page)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


if __name__ == "__main__":
    main()
