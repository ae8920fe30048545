"""How much memory and time a corpus takes as it grows: generated short texts, clustered from a file on disk.

    python benchmarks/memory.py [--sizes 1000 10000 ...] [--model stand-in|bundled] [--output benchmarks/results]

Every size runs ``answerspace cluster`` in a process of its own (so one run's memory is not another's), which notes its
resident memory twenty times a second. ``--model bundled`` is the real thing; ``stand-in`` has no network behind it (it
makes up a vector of 384 numbers per answer), so that a million texts show what everything around the model takes
within minutes. The stand-in's vectors fall into groups as real ones do; the time is not the model's time.

Resident memory is counted as the kernel does: memory of the process's own, and pages of files that are mapped (vectors
lie in such files from 130,000 texts on), which the kernel takes back when others need it. Both are given.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

SIZES = [1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000]
QUESTION = "What is the text about?"
STEP = 0.05  # seconds between two looks at the memory
THINGS = [
    "room",
    "bed",
    "food",
    "pasta",
    "soup",
    "staff",
    "waiter",
    "manager",
    "price",
    "train",
    "flight",
    "phone",
    "screen",
    "battery",
    "shoe",
    "coat",
]
SAID = ["was", "is", "seemed", "became", "stayed", "looked", "felt"]
HOW = [
    "good",
    "bad",
    "cold",
    "warm",
    "late",
    "early",
    "clean",
    "dirty",
    "friendly",
    "rude",
    "slow",
    "quick",
    "cheap",
    "expensive",
    "broken",
    "lovely",
]
MORE = [
    "and we will come back",
    "but nobody cared",
    "so I asked for a refund",
    "as always",
    "again",
    "for once",
    "in the end",
]


def write_corpus(path: Path, texts: int) -> None:
    """A JSON Lines file of distinct short texts (about 15 tokens); the same for the same number."""
    rng = np.random.default_rng(0)
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, texts, 50_000):
            count = min(50_000, texts - start)
            drawn = [rng.integers(0, len(words), count) for words in (THINGS, SAID, HOW, MORE)]
            for i, (thing, said, how, more) in enumerate(zip(*drawn, strict=True), start):
                text = f"The {THINGS[thing]} in room {i} {SAID[said]} {HOW[how]} {MORE[more]}."
                file.write(json.dumps({"id": i, "text": text}) + "\n")


class StandIn:
    """A backbone without a network: the answer is a word of the text, its vector the word's own plus a little noise."""

    kind = "stand-in"
    layers = 1
    dimension = 384
    max_length = 256
    fingerprint = "stand-in"

    def __init__(self) -> None:
        self._words = {word: np.random.default_rng(i).normal(size=384) for i, word in enumerate(THINGS)}

    def read(self, texts):
        """The texts."""
        return list(texts)

    def ask(self, read, instructions, asking):
        """One state a text: that of its answer."""
        from answerspace.answers import Answered

        answers = [text.split()[1] for text in read]
        states = np.stack([self._words[answer] for answer in answers])[:, None].astype(np.float32)
        numbers = np.array([int(text.split()[4]) for text in read], np.float32)
        states += 0.3 * np.sin(numbers[:, None, None] * np.arange(1, 385, dtype=np.float32))
        there = np.ones((len(read), 1), bool)
        ids = np.array([[THINGS.index(answer)] for answer in answers])
        return Answered(states, ~there, there, there, there, ids, answers)

    def head(self, states):
        """(K, 384) -> a score for each thing."""
        return states @ np.stack(list(self._words.values())).T.astype(np.float32)

    def tokens(self, ids):
        """The things by number."""
        return [" " + THINGS[i] for i in ids]

    def token_ids(self, text):
        """The numbers of the things in a text."""
        return [THINGS.index(word) for word in text.split() if word in THINGS]


def child(corpus: Path, output: Path, model: str) -> None:
    """Cluster the corpus in this process and print what it took, as JSON."""
    from answerspace import Embedder
    from answerspace.cli.main import run

    curve: list[tuple[float, float, float]] = []
    begun, done = time.perf_counter(), threading.Event()

    def watch() -> None:
        while not done.wait(STEP):
            own, mapped = resident()
            curve.append((time.perf_counter() - begun, own, mapped))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    words = [
        "cluster",
        str(corpus),
        "--column",
        "text",
        "--ask",
        QUESTION,
        "--output",
        str(output),
        "--quiet",
        "--json",
    ]
    stdout, sys.stdout = sys.stdout, open(os.devnull, "w")  # noqa: SIM115
    code = run(words, load=lambda name: Embedder.load() if model == "bundled" else Embedder(StandIn()))
    sys.stdout = stdout
    done.set()
    watcher.join()
    every = max(1, len(curve) // 400)
    print(json.dumps({"code": code, "seconds": time.perf_counter() - begun, "curve": curve[::every],
                      "peak": max(own + mapped for _, own, mapped in curve),
                      "peak own": max(own for _, own, _ in curve)}))  # fmt: skip


def resident() -> tuple[float, float]:
    """(own, mapped) resident megabytes of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = {line.split(":")[0]: int(line.split()[1]) / 1000 for line in lines if line.startswith("Rss")}
    return found["RssAnon"], found["RssFile"] + found["RssShmem"]


def measured(size: int, model: str, folder: Path) -> dict[str, object]:
    """What clustering ``size`` texts takes, from a process of its own."""
    corpus = folder / "corpus.jsonl"
    write_corpus(corpus, size)
    output = folder / f"out-{size}"
    words = [sys.executable, __file__, "--child", str(corpus), str(output), "--model", model]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    if found["code"]:
        raise SystemExit(f"answerspace cluster ended with {found['code']} on {size:,} texts.")
    disk = sum(path.stat().st_size for path in output.rglob("*") if path.is_file()) / 1e6
    return {"texts": size, "corpus MB": corpus.stat().st_size / 1e6, "disk MB": disk, **found}


def draw(results: list[dict], title: str, path: Path) -> None:
    """Peak memory and time against the number of texts, and the course of the largest run."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    sizes = [one["texts"] for one in results]
    left.loglog(sizes, [one["peak"] for one in results], "o-", label="resident")
    left.loglog(sizes, [one["peak own"] for one in results], "o--", label="of which its own")
    left.axhline(4000, color="grey", linewidth=1)
    left.set(title="peak memory, MB (line: 4 GB)", xlabel="texts")
    left.legend()
    middle.loglog(sizes, [one["seconds"] for one in results], "o-", label="measured")
    slope = results[-1]["seconds"] / sizes[-1]
    middle.loglog(sizes, [slope * size for size in sizes], ":", color="grey", label="linear")
    middle.set(title="seconds", xlabel="texts")
    middle.legend()
    seconds, own, mapped = np.array(results[-1]["curve"]).T
    right.stackplot(seconds, own, mapped, labels=["its own", "mapped files"])
    right.set(title=f"{sizes[-1]:,} texts: resident MB over time", xlabel="seconds")
    right.legend(loc="upper left")
    figure.suptitle(title)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--model", choices=["stand-in", "bundled"], default="stand-in")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(*options.child, options.model)
    results = []
    for size in sorted(options.sizes):
        with tempfile.TemporaryDirectory() as folder:
            results.append(measured(size, options.model, Path(folder)))
        one = results[-1]
        print(f"{size:>9,} texts {one['seconds']:8.1f} s {one['peak']:8.0f} MB ({one['peak own']:.0f} own)", flush=True)
        store(results, options)
    return None


def store(results: list[dict], options: argparse.Namespace) -> None:
    """Write what is measured so far."""
    name = f"memory-{options.model}"
    options.output.mkdir(parents=True, exist_ok=True)
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    lines = [
        f"# Memory of `answerspace cluster`, {options.model} model", "",
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {load}; generated texts of about 15 tokens.", "",
        "| texts | seconds | peak resident, MB | of which its own | output on disk, MB |", "|---|---|---|---|---|",
        *(
            f"| {one['texts']:,} | {one['seconds']:.1f} | {one['peak']:,.0f} | {one['peak own']:,.0f} "
            f"| {one['disk MB']:,.0f} |"
            for one in results
        ),
    ]  # fmt: skip
    (options.output / f"{name}.md").write_text("\n".join(lines) + "\n", "utf-8")
    (options.output / f"{name}.json").write_text(json.dumps(results) + "\n", "utf-8")
    try:
        draw(results, f"answerspace cluster, {options.model} model", options.output / f"{name}.png")
    except ImportError:
        print("The curve is drawn with matplotlib: pip install matplotlib.", file=sys.stderr)


if __name__ == "__main__":
    main()
