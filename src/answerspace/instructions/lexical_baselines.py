"""Encoders without a neural network of their own: every table of instruction embeddings must show them beside itself.

They are fitted on the texts they encode, which is the kindest protocol for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from answerspace.answers import Array
from answerspace.instructions.task_labels import Extractor
from answerspace.protocols import Encoder
from answerspace.similarity import unit_rows

DIMENSIONS = 256


class TfidfEncoder:
    """TF-IDF reduced by latent semantic analysis to at most 256 dimensions; unit vectors.

    ``analyzer`` is "word" or "char_wb" (3 to 5 characters within words); ``first_words`` keeps a text's start only.
    """

    def __init__(self, analyzer: str = "word", first_words: int | None = None) -> None:
        self.analyzer = analyzer
        self.first_words = first_words

    def encode(self, texts: Sequence[str], *, instruction: str | None = None) -> Array:
        """(n, d) unit vectors; the instruction plays no part."""
        kept = [" ".join(text.split()[: self.first_words]) for text in texts]
        grams = (3, 5) if self.analyzer == "char_wb" else (1, 1)
        counted = TfidfVectorizer(analyzer=self.analyzer, ngram_range=grams, sublinear_tf=True).fit_transform(kept)
        dimensions = min(DIMENSIONS, min(counted.shape) - 1)
        if dimensions < 2:
            return unit_rows(np.asarray(counted.toarray(), np.float32))
        reduced = TruncatedSVD(dimensions, random_state=0).fit_transform(counted)
        return unit_rows(np.asarray(reduced, np.float32))


class ParserOnlyEncoder:
    """The label's verb and noun, one-hot each: what a parser knows without any embedding."""

    def __init__(self, extractor: Extractor) -> None:
        self.extractor = extractor

    def encode(self, texts: Sequence[str], *, instruction: str | None = None) -> Array:
        """(n, verbs + nouns) unit vectors."""
        labels = [found[0] for found in self.extractor.labels(texts)]
        verbs = {verb: i for i, verb in enumerate(sorted({label.verb for label in labels}))}
        nouns = {noun: i for i, noun in enumerate(sorted({label.noun for label in labels}), len(verbs))}
        vectors = np.zeros((len(labels), len(verbs) + len(nouns)), np.float32)
        for row, label in zip(vectors, labels, strict=True):
            row[[verbs[label.verb], nouns[label.noun]]] = 1
        return unit_rows(vectors)


LEXICAL: dict[str, Callable[[], Encoder]] = {
    "tfidf-words": TfidfEncoder,
    "tfidf-characters": lambda: TfidfEncoder("char_wb"),
    "tfidf-first-8-words": lambda: TfidfEncoder(first_words=8),
}
