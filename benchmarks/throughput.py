"""How fast the bundled model embeds, beside all-MiniLM-L6-v2, in one run on the same texts.

    python benchmarks/throughput.py [--texts 512] [--rounds 5] [--output benchmarks/results]

Two corpora are made up from a fixed seed: one whose texts have about 128 tokens on average and a realistic mix of
lengths, one of short texts. In every round all candidates embed the whole corpus in turn, so a machine that slows down
slows them all; a ratio is taken within a round, and its median and range are over rounds. Also measured: what a
further question costs once a reading is kept, and what ten questions in one call cost against one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from answerspace import Embedder
from answerspace.evaluation.encoders.baselines import minilm_folder
from answerspace.progress import track

QUESTIONS = [
    "What is being reviewed?",
    "How does the writer feel?",
    "Where did it happen?",
    "Which aspect does the writer comment on?",
    "Who wrote this?",
    "What went wrong?",
    "What does the customer need?",
    "Is it about the past, the present or the future?",
    "What is the purpose of the message?",
    "What should be done next?",
]
WORDS = """
the a of and to in we was it for on that with as they had at this but not is were from by an be have or her his
room staff service food price time night day week order table water phone bed door street breakfast dinner coffee
shop train flight hotel city year manager waiter driver doctor ticket screen battery sound shoe size colour
good bad cold warm late early clean dirty friendly rude slow quick cheap expensive broken lovely quiet loud small
arrived waited asked told paid left found worked stopped called returned replaced promised opened closed missed
never always again twice almost only very quite rather still soon finally because after before while although
"""
OURS = "answerspace"
REFERENCE = "MiniLM, torch fp32"


@dataclass(frozen=True)
class Measured:
    """Seconds or ratios over rounds: the median and the range."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Measured:
        """The measure of one value per round."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.3g} [{self.low:.3g}, {self.high:.3g}]"


def corpus(texts: int, median_words: float, spread: float, longest: int) -> list[str]:
    """Texts whose lengths in words are log-normal, cut at ``longest``; the same for the same arguments."""
    rng = np.random.default_rng(0)
    words = WORDS.split()
    lengths = np.clip(rng.lognormal(np.log(median_words), spread, texts), 3, longest).astype(int)
    return [" ".join(rng.choice(words, n)).capitalize() + "." for n in lengths]


def candidates() -> tuple[dict[str, Callable[[list[str]], np.ndarray]], dict[str, str]]:
    """Functions texts -> vectors by name, and why a candidate is missing."""
    from sentence_transformers import SentenceTransformer

    ours = Embedder.load()
    minilm = SentenceTransformer(minilm_folder(), device="cpu")
    found: dict[str, Callable[[list[str]], np.ndarray]] = {
        OURS: lambda texts: ours.encode(texts, QUESTIONS[0]),
        REFERENCE: lambda texts: minilm.encode(texts, batch_size=32, show_progress_bar=False),
    }
    missing = {}
    try:
        openvino = Embedder.load(engine="openvino")
        found["answerspace, OpenVINO"] = lambda texts: openvino.encode(texts, QUESTIONS[0])
    except Exception as error:
        missing["answerspace, OpenVINO"] = _first_line(error)
    try:
        onnx = SentenceTransformer(minilm_folder(), backend="onnx", device="cpu")
        found["MiniLM, ONNX Runtime"] = lambda texts: onnx.encode(texts, batch_size=32, show_progress_bar=False)
    except Exception as error:
        missing["MiniLM, ONNX Runtime"] = _first_line(error)
    return found, missing


def speeds(
    found: dict[str, Callable[[list[str]], np.ndarray]], texts: list[str], rounds: int, what: str
) -> dict[str, dict[str, Measured]]:
    """Texts/s of each candidate and its ratio to the reference of the same round."""
    for encode in found.values():
        encode(texts[:64])
    seconds: dict[str, list[float]] = {name: [] for name in found}
    for _ in track(range(rounds), what):
        for name, encode in found.items():
            seconds[name].append(timed(lambda encode=encode: encode(texts)))
    return {
        name: {
            "texts/s": Measured.of([len(texts) / s for s in taken]),
            "ratio": Measured.of([r / s for r, s in zip(seconds[REFERENCE], taken, strict=True)]),
        }
        for name, taken in seconds.items()
    }


def question_costs(texts: list[str], rounds: int, what: str) -> dict[str, Measured]:
    """Seconds of the first question and of each further one, and their ratio; ten questions in one call over one."""
    embedder = Embedder.load()
    embedder.encode(texts[:64], QUESTIONS[0])
    first, further, share, ten = [], [], [], []
    for _ in track(range(rounds), what):
        start = time.perf_counter()
        reading = embedder.read(texts)
        reading.ask(QUESTIONS[0])
        first.append(time.perf_counter() - start)
        start = time.perf_counter()
        for question in QUESTIONS[1:]:
            reading.ask(question)
        further.append((time.perf_counter() - start) / len(QUESTIONS[1:]))
        share.append(further[-1] / first[-1])
        one = timed(lambda: embedder.encode(texts, QUESTIONS[0]))
        ten.append(timed(lambda: embedder.encode(texts, QUESTIONS)) / one)
    return {
        "first question, s": Measured.of(first),
        "each further question, s": Measured.of(further),
        "further / first": Measured.of(share),
        "ten questions in one call / one": Measured.of(ten),
    }


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def mean_tokens(texts: list[str]) -> float:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(minilm_folder()) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return statistics.mean(len(one.ids) for one in tokenizer.encode_batch(texts))


def machine() -> dict[str, str]:
    """What the numbers depend on, the load of other processes included."""
    facts = {"processor": _processor(), "cores": str(os.cpu_count()), "python": platform.python_version()}
    if hasattr(os, "getloadavg"):
        facts["load before"] = f"{os.getloadavg()[0]:.1f}"
    for package in ("numpy", "onnxruntime", "openvino", "torch", "sentence-transformers"):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    return facts


def markdown(result: dict[str, object]) -> str:
    facts, corpora, missing = result["machine"], result["corpora"], result["missing"]
    lines = ["# Throughput", "", f"{result['date']}, {result['rounds']} rounds: median [least, most].", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    for name, one in corpora.items():
        lines += ["", f"## {name}: {one['texts']} texts, {one['tokens']:.0f} tokens on average", ""]
        lines += [f"| | texts/s | times {REFERENCE} |", "|---|---|---|"]
        lines += [f"| {who} | {row['texts/s']} | {row['ratio']} |" for who, row in one["speeds"].items()]
        lines += ["", "| questions | |", "|---|---|"]
        lines += [f"| {what} | {value} |" for what, value in one["questions"].items()]
    lines += ["", *(f"Not measured: {who} ({why})" for who, why in missing.items())]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=512, help="texts in the long corpus; the short one has four times")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()

    facts = machine()
    found, missing = candidates()
    corpora = {}
    for name, texts in {
        "long texts": corpus(options.texts, 115, 0.45, 250),
        "short texts": corpus(4 * options.texts, 14, 0.4, 40),
    }.items():
        corpora[name] = {
            "texts": len(texts),
            "tokens": mean_tokens(texts),
            "speeds": speeds(found, texts, options.rounds, f"{name}, speed"),
            "questions": question_costs(texts, options.rounds, f"{name}, questions"),
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


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


if __name__ == "__main__":
    main()
