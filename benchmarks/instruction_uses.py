"""The runs behind docs/instruction_uses.md: selection, retrieval, compression, correlation, duplicates, audit.

    python benchmarks/instruction_uses.py --data ../shared/data --work runs/instruction-uses [STAGE ...]

Stages: files vectors select retrieve compress tasks speed. Vectors are kept in --work, so a stage can be repeated.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import time
from pathlib import Path

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from answerspace import Embedder
from answerspace.instructions.benchmark import distinct_texts, read_benchmark
from answerspace.instructions.compression import fidelity_table, measure_fidelity
from answerspace.instructions.duplicates import find_duplicates
from answerspace.instructions.english import EnglishExtractor
from answerspace.instructions.retrieval import neighbours, precision_at
from answerspace.instructions.score_tables import read_scores
from answerspace.instructions.selection import compare_methods, comparison_table, select
from answerspace.instructions.synonyms import merged_labels
from answerspace.instructions.task_embedding import TaskEncoder, Weights, join_parts
from answerspace.instructions.task_space import RememberedLabels, task_vectors
from answerspace.similarity import unit_rows

SIZES = (50, 145, 300)
STAGES = ("files", "vectors", "select", "retrieve", "compress", "tasks", "speed")


class Work:
    """The labelled instructions and what was computed of them."""

    def __init__(self, data: Path, folder: Path) -> None:
        self.data, self.folder = data, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.eft = distinct_texts(read_benchmark(data / "eval" / "ieb").eft)
        self.texts = [row.text for row in self.eft]
        self.labels = [row.label for row in self.eft]

    def arrays(self) -> dict[str, np.ndarray]:
        """What the stage vectors kept."""
        with np.load(self.folder / "vectors.npz") as kept:
            return dict(kept)

    def show(self, name: str, text: str) -> None:
        """Print a text and keep it in a file."""
        (self.folder / f"{name}.md").write_text(text, encoding="utf-8")
        print(f"## {name}\n\n{text}", flush=True)


def files(work: Work) -> None:
    """The EFT test as JSON Lines with labels, so that the commands can read it."""
    with (work.folder / "eft.jsonl").open("w", encoding="utf-8") as file:
        for row in work.eft:
            file.write(json.dumps({"instruction": row.text, "label": row.label}) + "\n")


def vectors(work: Work) -> None:
    """The parts of the task embedding of every instruction, and its parsed task."""
    texts = work.texts
    start = time.perf_counter()
    extractor = RememberedLabels(EnglishExtractor, show_progress=True)
    labels = [found[0] for found in extractor.labels(texts)]
    print(f"labels: {len(texts) / (time.perf_counter() - start):.0f} texts/s", flush=True)
    encoder = TaskEncoder(Embedder.load(cache=work.folder / "answers.sqlite"), extractor)
    start = time.perf_counter()
    answers = encoder.embedder.encode(texts, "What task does this instruction ask for?", show_progress=True)
    print(f"answers: {len(texts) / (time.perf_counter() - start):.0f} texts/s", flush=True)
    names = merged_labels(labels)
    np.savez(
        work.folder / "vectors.npz",
        answers=answers,
        verbs=encoder.word_vectors([label.verb for label in labels]),
        nouns=encoder.word_vectors([label.noun for label in labels]),
        tasks=np.array([names[label] for label in labels]),
        **{"verb words": [label.verb for label in labels], "noun words": [label.noun for label in labels]},
    )


def combined(parts: dict[str, np.ndarray], weights: Weights) -> np.ndarray:
    """The task embedding from its parts."""
    return join_parts(parts["verbs"], parts["nouns"], parts["answers"], weights)


def reduced(vectors: np.ndarray, dimensions: int = 128) -> np.ndarray:
    """Unit rows in fewer dimensions: k-means is run hundreds of times below."""
    return unit_rows(np.asarray(TruncatedSVD(dimensions, random_state=0).fit_transform(vectors), np.float32))


def one_hot(parts: dict[str, np.ndarray]) -> np.ndarray:
    """The verb and the noun as the parser found them, nothing else."""
    columns = []
    for name in ("verb words", "noun words"):
        found, places = np.unique(parts[name], return_inverse=True)
        columns.append(np.eye(len(found), dtype=np.float32)[places])
    return unit_rows(np.concatenate(columns, 1))


def select_stage(work: Work) -> None:
    """Coverage of the benchmark's labels by every method."""
    parts = work.arrays()
    about = f"{len(work.texts):,} instructions, {len(set(work.labels)):,} labels, 10 seeds"
    found = compare_methods(
        reduced(combined(parts, Weights())),
        work.labels,
        SIZES,
        guide=parts["tasks"].tolist(),
        seeds=10,
        show_progress=True,
    )
    work.show("select", f"{about}\n\n{comparison_table(found)}")


def lexical(texts: list[str], analyzer: str, grams: tuple[int, int], first: int | None, dimensions: int) -> np.ndarray:
    kept = [" ".join(text.split()[:first]) for text in texts]
    counted = TfidfVectorizer(analyzer=analyzer, ngram_range=grams, sublinear_tf=True).fit_transform(kept)
    return unit_rows(np.asarray(TruncatedSVD(dimensions, random_state=0).fit_transform(counted), np.float32))


def models(parts: dict[str, np.ndarray], texts: list[str]) -> dict[str, np.ndarray]:
    """Encoders from poor to good: the task embedding under other weights, TF-IDF of several kinds."""
    made = {}
    for pair, words, answer in ((1, 0.4, 0.4), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (0, 1, 1), (1, 1, 2)):
        made[f"task pair {pair} words {words} answer {answer}"] = combined(parts, Weights(pair, words, answer))
    made |= {"verbs": parts["verbs"], "nouns": parts["nouns"], "parser": one_hot(parts)}
    for size in (8, 32):
        cut = TruncatedSVD(size, random_state=0).fit_transform(parts["answers"])
        made[f"bundled, {size} dimensions"] = unit_rows(np.asarray(cut, np.float32))
    for analyzer, grams in (("word", (1, 1)), ("word", (1, 2)), ("char_wb", (3, 5)), ("char_wb", (2, 3))):
        for first in (None, 3, 5, 8):
            for size in (32, 256):
                name = f"TF-IDF {analyzer} {grams[0]}-{grams[1]}, {first or 'all'} words, {size} dimensions"
                made[name] = lexical(texts, analyzer, grams, first, size)
    return made


def retrieve(work: Work) -> None:
    """Precision at k by the benchmark's labels, each instruction looking among the others."""
    parts = work.arrays()
    rows = {
        "task": combined(parts, Weights()),
        "bundled": parts["answers"],
        "parser-only": one_hot(parts),
        "tfidf-words": lexical(work.texts, "word", (1, 1), None, 256),
        "tfidf-characters": lexical(work.texts, "char_wb", (3, 5), None, 256),
        "tfidf-first-8-words": lexical(work.texts, "word", (1, 1), 8, 256),
    }
    lines = ["| | precision@1 | precision@4 | precision@10 |", "|---|---|---|---|"]
    for name, one in rows.items():
        found = precision_at(one, work.labels)
        lines.append(f"| {name} | " + " | ".join(f"{100 * found[k]:.1f}" for k in (1, 4, 10)) + " |")
    work.show("retrieve", "\n".join(lines) + "\n")


def compress(work: Work) -> None:
    """Two benchmarks: instructions as items and encoders as models, tasks as items and trained models as models."""
    parts = work.arrays()
    texts, labels = work.texts, np.array(work.labels)
    encoders = models(parts, texts)
    scores = np.stack(
        [(labels[neighbours(one, 5).rows] == labels[:, None]).mean(1) for one in encoders.values()], axis=1
    )
    with (work.folder / "scores.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["item", "instruction", *encoders])
        for i, row in enumerate(work.eft):
            writer.writerow([i, row.text, *scores[i].round(3)])
    found = measure_fidelity(
        scores, [20, 50, 100], vectors=reduced(combined(parts, Weights())), draws=20, show_progress=True
    )
    means = scores.mean(0)
    about = f"{len(texts):,} items, {len(encoders)} models, scores from {means.min():.2f} to {means.max():.2f}"
    work.show("compress-encoders", f"{about}\n\n{fidelity_table(found)}")


def tasks(work: Work) -> None:
    """TaskWeb: tasks as items, models trained on one other task as models."""
    with (work.data / "selection" / "taskweb_transfer.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    path = work.folder / "taskweb.csv"
    wide: dict[str, dict[str, float]] = {}
    for row in rows:
        wide.setdefault(f"{row['setting']} {row['source']}", {})[row["target"]] = float(row["mean_score"])
    # A model trained on a task was not scored on it: every second task is an item, the others are sources.
    kept = sorted({row["target"] for row in rows})[::2]
    whole = {name: found for name, found in wide.items() if set(kept) <= set(found)}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["item", *whole])
        for target in kept:
            writer.writerow([target, *(found[target] for found in whole.values())])
    table = read_scores(path)
    found = measure_fidelity(table.scores, [2, 3, 5], draws=20)
    about = f"{len(table.items)} tasks, {len(table.models)} models"
    work.show("compress-tasks", f"{about}\n\n{fidelity_table(found)}")


def speed(work: Work) -> None:
    """100,000 made instructions: beginnings and ends of real ones joined at random; random vectors of the same size."""
    real = json.loads((work.data / "eval" / "ieb" / "eft_train_unsup.json").read_text(encoding="utf-8"))
    rng = random.Random(0)
    texts = list(dict.fromkeys(real))
    halves = [text.split() for text in texts]
    while len(texts) < 100_000:
        a, b = rng.choice(halves), rng.choice(halves)
        texts.append(" ".join([*a[: len(a) // 2 + 1], *b[len(b) // 2 :]]))
    lines = ["| step | seconds |", "|---|---|"]

    def timed(name: str, call) -> None:  # type: ignore[no-untyped-def]
        start = time.perf_counter()
        call()
        lines.append(f"| {name} | {time.perf_counter() - start:.0f} |")
        print(lines[-1], flush=True)

    timed("near-duplicates of 100,000", lambda: find_duplicates(texts, show_progress=True))
    rows = np.random.default_rng(0).standard_normal((100_000, 640), np.float32)
    timed("select 1,000 by facility-location", lambda: select(rows, 1_000, show_progress=True))
    timed("select 1,000 by clusters", lambda: select(rows, 1_000, method="clusters"))
    sample = rng.sample(texts, 2_000)
    timed("labels of 2,000", lambda: EnglishExtractor().labels(sample))
    encoder = TaskEncoder(Embedder.load(), RememberedLabels(EnglishExtractor))
    timed("labels and vectors of 2,000", lambda: task_vectors(encoder, sample))
    work.show("speed", "\n".join(lines) + "\n")


RUN = dict(zip(STAGES, (files, vectors, select_stage, retrieve, compress, tasks, speed), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", help=f"of {', '.join(STAGES)}; all when left out")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/instruction-uses"))
    options = parser.parse_args()
    unknown = set(options.stages) - set(STAGES)
    if unknown:
        parser.error(f"stages must be of {', '.join(STAGES)}. Got {', '.join(sorted(unknown))}.")
    work = Work(options.data, options.work)
    for stage in options.stages or STAGES:
        RUN[stage](work)


if __name__ == "__main__":
    main()
