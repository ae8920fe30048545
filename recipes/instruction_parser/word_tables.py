"""Tables of words out of WordNet 3.0's own files (Debian package wordnet-base): base forms and synonyms."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from treebank import Tree

RANKS = {"verb": 4, "noun": 2}  # senses of a word, the most frequent first, by which it may be a synonym
IRREGULAR = {
    "VERB": {"found": "find", "felt": "feel", "left": "leave", "saw": "see", "lay": "lie"},
    "NOUN": {"criteria": "criterion", "phenomena": "phenomenon"},
}


def lemma_tables(wordnet: Path, trees: list[Tree]) -> dict[str, Any]:
    """Exceptions and known base forms of verbs and nouns from WordNet's own files.

    Nouns are those that WordNet saw in text or the treebank has; the rest would only take room.
    """
    found: dict[str, Any] = {"words": {}}
    for part, name in (("VERB", "verb"), ("NOUN", "noun")):
        in_trees = {w.lemma.lower() for tree in trees for w in tree if w.tag.startswith(part)}
        known = set()
        for line in (wordnet / f"index.{name}").read_text(encoding="utf-8").splitlines():
            cells = line.split()
            if (
                line[0] != " "
                and cells[0].isalpha()
                and (part == "VERB" or cells[0] in in_trees or seen_in_text(cells))
            ):
                known.add(cells[0])
        exceptions = {}
        for line in (wordnet / f"{name}.exc").read_text(encoding="utf-8").splitlines():
            form, lemma, *_ = line.split()
            if form.isalpha() and lemma in known and form != lemma:
                exceptions[form] = lemma
        found[part] = dict(sorted(exceptions.items()))
        found["words"][part] = " ".join(sorted(known))
    for part, more in IRREGULAR.items():
        found[part] |= more
    found["NOUN"].pop("data", None)  # a word of its own by now
    return found


def seen_in_text(cells: list[str]) -> bool:
    """Whether WordNet's index line counts tagged occurrences of the word (lemma, part, senses, pointers, ...)."""
    return int(cells[4 + int(cells[3]) + 1]) > 0


def synonym_sets(wordnet: Path) -> dict[str, list[str]]:
    """Words that share a sense among their most frequent ones, one string of words a sense."""
    made = {}
    for name, ranks in RANKS.items():
        members: dict[str, list[str]] = defaultdict(list)
        for line in (wordnet / f"index.{name}").read_text(encoding="utf-8").splitlines():
            cells = line.split()
            if line[0] == " " or not cells[0].isalpha() or not seen_in_text(cells):
                continue
            for sense in cells[-int(cells[2]) :][:ranks]:
                members[sense].append(cells[0])
        made[name] = sorted({" ".join(sorted(words)) for words in members.values() if len(words) > 1})
    return made
