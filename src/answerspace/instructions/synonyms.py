"""Task labels that mean the same: one name for write|story and compose|narrative.

Two labels are merged when one word is the same and the other two share a frequent sense in WordNet. Which senses
count was set on the merged labels that the instruction embedding benchmark shows outside its EFT test.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from answerspace.instructions.parser import parser_folder
from answerspace.instructions.task_labels import TaskLabel

JOIN = "##"  # between the pairs of a merged label, as in the benchmark
Synonyms = Mapping[str, frozenset[str]]


@lru_cache
def synonyms(part: str, folder: Path | None = None) -> Synonyms:
    """Word -> its synonyms, for ``part`` "verb" or "noun"."""
    stored = json.loads(((folder or parser_folder()) / "synonyms.json").read_text("utf-8"))
    found: dict[str, set[str]] = defaultdict(set)
    for line in stored[part]:
        words = line.split()
        for word in words:
            found[word].update(words)
    return {word: frozenset(others - {word}) for word, others in found.items()}


def merged_labels(labels: Iterable[TaskLabel], folder: Path | None = None) -> dict[TaskLabel, str]:
    """Each label's name after merging: the pairs of its group joined by ``##``, the most frequent one first."""
    counts = Counter(labels)
    parent = {label: label for label in counts}

    def top(label: TaskLabel) -> TaskLabel:
        while parent[label] != label:
            parent[label] = parent[parent[label]]
            label = parent[label]
        return label

    for label in counts:
        others = [TaskLabel(verb, label.noun) for verb in synonyms("verb", folder).get(label.verb, ())]
        others += [TaskLabel(label.verb, noun) for noun in synonyms("noun", folder).get(label.noun, ())]
        for other in others:
            if other in parent and top(other) != top(label):
                parent[top(other)] = top(label)
    groups: dict[TaskLabel, list[TaskLabel]] = defaultdict(list)
    for label in counts:
        groups[top(label)].append(label)
    names: dict[TaskLabel, str] = {}
    for members in groups.values():
        members.sort(key=lambda label: (-counts[label], label))
        name = JOIN.join(map(str, members))
        names |= dict.fromkeys(members, name)
    return names
