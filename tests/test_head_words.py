from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from answerspace import InputError
from answerspace.backbones.fake import FakeBackbone
from answerspace.head_words import contrast_words, top_words


class Vocabulary(FakeBackbone):
    """A head that is the identity over seven tokens."""

    names = (" food", "ing", " a", " Food", " 12", " room", " it's")

    def tokens(self, ids: Sequence[int]) -> list[str]:
        return [self.names[i] for i in ids]


BACKBONE = Vocabulary(dimension=7)


def test_only_whole_words_once_and_best_first() -> None:
    assert top_words(BACKBONE, np.array([[1, 9, 8, 5, 7, 3, 6]], np.float32), 20) == [["food", "room"]]
    assert top_words(BACKBONE, np.array([[1, 0, 0, 0, 0, 3, 0]], np.float32), 1) == [["room"]]


def test_contrast_takes_the_mean_away() -> None:
    centres = np.array([[5, 0, 0, 0, 0, 4, 0], [5, 0, 0, 0, 0, 0, 0]], np.float32)
    assert top_words(BACKBONE, centres, 1) == [["food"], ["food"]]
    assert contrast_words(BACKBONE, centres, centres.mean(0), 1) == [["room"], ["food"]]


def test_top_must_be_positive() -> None:
    with pytest.raises(InputError, match="at least 1"):
        top_words(BACKBONE, np.zeros((1, 7), np.float32), 0)
