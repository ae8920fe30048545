"""The instruction embedding benchmark (IEB, arXiv 2409.19680): its public files, and a harder pair test made of them.

ICT clusters the EFT test, IIS judges pairs. IIS-hard is ours: its negatives share the verb or the noun of the label,
its positives share neither word, so that common words cannot decide.
"""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from answerspace.errors import InputError
from answerspace.instructions.rewordings import reword
from answerspace.instructions.task_labels import TaskLabel

EFT, IFT, IIS = "eft_test.json", "ift_test.json", "intention_similarity_test.json"
PER_LABEL = 12  # pairs that one label may give to IIS-hard


@dataclass(frozen=True)
class Labelled:
    """An instruction with its pair as annotated and the name of its class after synonym merging."""

    text: str
    pair: TaskLabel
    label: str


@dataclass(frozen=True)
class IntentPair:
    """Two instructions and whether they ask for the same task."""

    first: str
    second: str
    same: bool


@dataclass(frozen=True)
class Benchmark:
    """The labelled tests and the pairs."""

    eft: list[Labelled]
    ift: list[Labelled]
    iis: list[IntentPair]
    iis_pool: list[Labelled]  # the instructions of the pairs, one each

    def hard_pairs(self, count: int = 2000, seed: int = 0) -> list[IntentPair]:
        """IIS-hard: half positives that share neither word, a quarter each negatives of one verb and of one noun."""
        return hard_pairs(distinct_texts([*self.eft, *self.ift, *self.iis_pool]), count, seed)


def read_benchmark(folder: str | Path) -> Benchmark:
    """Read the three files of labelled instructions and pairs; InputError says which is missing or wrong and where."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"--data must be a folder with {EFT}, {IFT} and {IIS}. Got {folder}.")
    pairs, pool = _pairs(folder / IIS)
    return Benchmark(_labelled(folder / EFT), _labelled(folder / IFT), pairs, pool)


def distinct_texts(rows: Iterable[Labelled]) -> list[Labelled]:
    """The rows without those whose text, but for outer white space, occurred before."""
    kept: dict[str, Labelled] = {}
    for row in rows:
        kept.setdefault(row.text.strip(), row)
    return list(kept.values())


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} must exist. Got no such file; check --data.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} must be a readable JSON file. Got: {error}.") from None


def _labelled(path: Path) -> list[Labelled]:
    content = _json(path)
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path} must hold an object of labels. Got {type(content).__name__}.")
    rows = []
    for label, group in content.items():
        samples = group.get("samples") if isinstance(group, dict) else None
        if not isinstance(samples, list):
            raise InputError(f"{path}, label {label!r}: must hold a list 'samples'. Got {type(samples).__name__}.")
        for number, sample in enumerate(samples, 1):
            try:
                verb, noun = sample["category"]
                rows.append(Labelled(str(sample["instruction"]), TaskLabel(verb, noun), label))
            except (KeyError, TypeError, ValueError):
                raise InputError(
                    f"{path}, label {label!r}, sample {number}: must hold 'instruction' and 'category' [verb, noun]."
                ) from None
    return rows


def _pairs(path: Path) -> tuple[list[IntentPair], list[Labelled]]:
    content = _json(path)
    if not isinstance(content, list) or not content:
        raise InputError(f"{path} must hold a list of pairs. Got {type(content).__name__}.")
    pairs, pool = [], []
    for number, row in enumerate(content, 1):
        try:
            pairs.append(IntentPair(row["instruction1"], row["instruction2"], bool(row["label"])))
            for side in ("1", "2"):
                label = row[f"intention{side}"]
                pool.append(Labelled(row[f"instruction{side}"], TaskLabel(*label.split("##")[0].split("|")), label))
        except (KeyError, TypeError, AttributeError):
            raise InputError(
                f"{path}, pair {number}: must hold instruction1, intention1, instruction2, intention2 and label."
            ) from None
    return pairs, distinct_texts(pool)


# --- IIS-hard ----------------------------------------------------------------------------------------------------


def hard_pairs(rows: Sequence[Labelled], count: int = 2000, seed: int = 0) -> list[IntentPair]:
    """Pairs as ``Benchmark.hard_pairs`` says, from labelled instructions with distinct texts.

    A positive joins an instruction with another of its class whose verb and noun are replaced by other words for the
    same (``rewordings``), unless the two share neither word already. Fewer pairs come when there are too few.
    """
    rng = random.Random(seed)
    by_label = _groups(rows, lambda row: row.label)
    positives = _limited(_positives(by_label, rng), count // 2, rng)
    by_verb, by_noun = _groups(rows, lambda row: row.pair.verb), _groups(rows, lambda row: row.pair.noun)
    negatives = _negatives(rows, by_verb, lambda row: row.pair.verb, count // 4, rng)
    negatives += _negatives(rows, by_noun, lambda row: row.pair.noun, count - len(positives) - len(negatives), rng)
    if not positives or not negatives:
        raise InputError("IIS-hard needs labels with several instructions and labels that share a verb or a noun.")
    return [*positives, *negatives]


def _positives(by_label: dict[Any, list[Labelled]], rng: random.Random) -> list[IntentPair]:
    made = []
    for label in sorted(by_label):
        group = by_label[label]
        tries = [(a, b) for a in group for b in group if a is not b]
        rng.shuffle(tries)
        found = 0
        for a, b in tries[: 5 * PER_LABEL]:
            if a.pair.verb != b.pair.verb and a.pair.noun != b.pair.noun:
                second: str | None = b.text
            else:
                second = reword(b.text, b.pair, rng)
            if second is not None and not _shares_word(second, a.pair):
                made.append(IntentPair(a.text, second, True))
                found += 1
            if found == PER_LABEL:
                break
    return made


def _negatives(
    rows: Sequence[Labelled],
    groups: dict[Any, list[Labelled]],
    key: Callable[[Labelled], str],
    count: int,
    rng: random.Random,
) -> list[IntentPair]:
    made: dict[tuple[str, str], IntentPair] = {}
    used: dict[str, int] = defaultdict(int)
    for a in rng.sample(list(rows), len(rows)):
        others = [b for b in groups[key(a)] if b.label != a.label]
        if others and used[a.label] < PER_LABEL:
            b = rng.choice(others)
            used[a.label] += 1
            made[a.text, b.text] = IntentPair(a.text, b.text, False)
        if len(made) == count:
            break
    return list(made.values())


def _shares_word(text: str, pair: TaskLabel) -> bool:
    stems = [re.escape(word[: max(4, len(word) - 1)]) for word in (pair.verb, pair.noun)]
    return re.search(rf"\b(?:{'|'.join(stems)})", text.lower()) is not None


def _groups(rows: Iterable[Labelled], key: Callable[[Labelled], str]) -> dict[Any, list[Labelled]]:
    groups: dict[Any, list[Labelled]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def _limited(pairs: list[IntentPair], count: int, rng: random.Random) -> list[IntentPair]:
    return pairs if len(pairs) <= count else rng.sample(pairs, count)
