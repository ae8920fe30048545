"""A small dependency parser of English in ONNX Runtime: words in, tags, heads and relations out.

Three transformer blocks over the bundled model's word vectors, trained on UD English EWT and on imperatives made
from it (recipes/instruction_parser). Knows nothing of tasks or labels.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from tokenizers import Tokenizer

from answerspace.backbones.bundled import bundled_folder
from answerspace.batches import batches_by_length
from answerspace.engines.bundled_config import special_ids
from answerspace.engines.onnx import OnnxEngine
from answerspace.errors import ModelError
from answerspace.instructions.lemmas import regular_lemma

FILES = ("parser.onnx", "parser.safetensors", "parser.json")
BASE_FORMS = frozenset({"VB", "VBP"})  # tags of words that are their own lemma
MOST_PIECES = 158  # positions that the parser was trained with, less the two marks


@dataclass(frozen=True)
class ParsedWord:
    """A word in its sentence. ``head`` is the place of its head in the sentence, -1 for the root."""

    form: str
    lemma: str
    part: str  # universal part of speech: VERB, NOUN, PROPN, PRON, ...
    tag: str  # Penn tag: VB, VBG, NNS, ...
    head: int
    relation: str  # universal dependency without subtype
    verb: float  # probability that the word is a verb in its base or present form
    noun: float  # probability that the word is a common noun


class Parser:
    """``folder`` holds the files of FILES; left out, those in the package."""

    def __init__(self, folder: Path | None = None, *, threads: int = 0) -> None:
        self.folder = parser_folder() if folder is None else folder
        missing = [name for name in FILES if not (self.folder / name).is_file()]
        if missing:
            raise ModelError(f"A parser's folder must hold {', '.join(FILES)}. {self.folder} lacks {missing[0]}.")
        tables = json.loads((self.folder / "parser.json").read_text("utf-8"))
        self.tags: list[str] = tables["tags"]
        self.relations: list[str] = tables["relations"]
        lemmas = tables["lemmas"]
        self._exceptions: dict[str, dict[str, str]] = {part: lemmas[part] for part in ("VERB", "NOUN")}
        self._known = {part: frozenset(lemmas["words"][part].split()) for part in ("VERB", "NOUN")}
        parts = np.array([tag.split("/")[0] for tag in self.tags])
        fine = np.array([tag.split("/")[1] for tag in self.tags])
        self._verbs = (parts == "VERB") & np.isin(fine, ["VB", "VBP"])
        self._nouns = parts == "NOUN"
        bundled = bundled_folder()
        self._tokenizer = Tokenizer.from_file(str(bundled / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokenizer.encode_special_tokens = True
        self._cls, self._sep, _, self._pad = special_ids(self._tokenizer)
        self._threads = threads
        self._pieces: dict[str, list[int]] = {}

    @cached_property
    def _engine(self) -> OnnxEngine:
        return OnnxEngine(self.folder / "parser.onnx", self._threads)

    @cached_property
    def _vectors(self) -> np.ndarray:
        with safe_open(bundled_folder() / "model.safetensors", "np") as weights:
            return np.asarray(weights.get_tensor("embeddings.word.weight"))

    def lemma(self, form: str, part: str) -> str:
        """The base form of a word, lower-case."""
        lower = form.lower()
        found = self._exceptions.get(part, {}).get(lower)
        return found or regular_lemma(lower, part, self._known.get(part, frozenset()))

    def is_verb(self, lemma: str) -> bool:
        """Whether the treebank has the word as the base form of a verb."""
        return lemma in self._known["VERB"]

    def parse(self, sentences: Sequence[Sequence[str]], *, batch_size: int = 64) -> list[list[ParsedWord]]:
        """One list of parsed words per sentence, given as words; a sentence too long for the parser is cut."""
        rows = [self._row(sentence) for sentence in sentences]
        found: list[list[ParsedWord]] = [[] for _ in sentences]
        lengths = ["x" * len(ids) for ids, _ in rows]
        for batch in batches_by_length(lengths, batch_size):
            made = self._engine.run(self._inputs([rows[i] for i in batch]))
            for b, i in enumerate(batch):
                count = len(rows[i][1]) - 1
                found[i] = self._words(
                    list(sentences[i])[:count],
                    *(made[k][b, 1 : count + 1] for k in ("tag_scores", "heads", "relations")),
                )
        return found

    def _row(self, sentence: Sequence[str]) -> tuple[list[int], list[int]]:
        """The ids of the pieces and the place of each word's first one, [CLS] standing for the root."""
        new = [word for word in sentence if word not in self._pieces]
        if new:
            if len(self._pieces) > 200_000:
                self._pieces.clear()
                new = list(sentence)
            for word, encoding in zip(new, self._tokenizer.encode_batch(new, add_special_tokens=False), strict=True):
                self._pieces[word] = encoding.ids or [self._sep]
        ids, places = [self._cls], [0]
        for word in sentence:
            pieces = self._pieces[word]
            if len(ids) + len(pieces) > MOST_PIECES:
                break
            places.append(len(ids))
            ids += pieces
        return [*ids, self._sep], places

    def _inputs(self, rows: Sequence[tuple[list[int], list[int]]]) -> dict[str, np.ndarray]:
        longest, most = max(len(ids) for ids, _ in rows), max(len(places) for _, places in rows)
        ids = np.full((len(rows), longest), self._pad, np.int64)
        mask = np.zeros((len(rows), longest), np.int64)
        places = np.zeros((len(rows), most), np.int64)
        word_mask = np.zeros((len(rows), most), np.int64)
        for b, (row, at) in enumerate(rows):
            ids[b, : len(row)], mask[b, : len(row)] = row, 1
            places[b, : len(at)], word_mask[b, : len(at)] = at, 1
        return {"words": self._vectors[ids].astype(np.float32), "mask": mask, "places": places, "word_mask": word_mask}

    def _words(self, forms: list[str], scores: Any, heads: Any, relations: Any) -> list[ParsedWord]:
        chances = np.exp(scores - scores.max(-1, keepdims=True))
        chances /= chances.sum(-1, keepdims=True)
        verb, noun = chances[:, self._verbs].sum(1), chances[:, self._nouns].sum(1)
        made = []
        for i, form in enumerate(forms):
            part, tag = self.tags[int(scores[i].argmax())].split("/")
            head = int(heads[i]) - 1
            made.append(
                ParsedWord(
                    form, form.lower() if tag in BASE_FORMS else self.lemma(form, part), part, tag,
                    -1 if head == i else head, self.relations[int(relations[i])], float(verb[i]), float(noun[i]),
                )
            )  # fmt: skip
        return made


def parser_folder() -> Path:
    """Where the package keeps the parser."""
    with as_file(files("answerspace") / "instructions" / "parser_en") as folder:
        return folder
