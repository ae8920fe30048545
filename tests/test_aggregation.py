from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from answerspace import InputError
from answerspace.aggregation import AGGREGATIONS, PUBLISHED, Reencode, needs_prompt_states, resolve_aggregation
from answerspace.answers import Answered, Sampling


def answered(prompt: str, slots: str, kept: str, sequence: str | None = None) -> Answered:
    """One row from strings of 0 and 1; the state at position t is (t + 1, 1), NaN-like junk at padding."""
    masks = [np.array([[c == "1" for c in m]]) for m in (prompt, slots, kept)]
    everything = np.array([[c == "1" for c in sequence]]) if sequence else masks[0] | masks[1]
    steps = np.arange(1, len(prompt) + 1, dtype=np.float32)
    states = np.stack([steps, np.ones_like(steps)], -1)[None]
    states[~everything] = 1e6
    return Answered(states, *masks, everything, np.where(masks[1], 7, -1), ["answer"])


#           prompt     slots      kept       what is expected of position 1..6
FULL = answered("111000", "000111", "000111")
NOTHING = answered("111000", "000111", "000000")  # all filtered
ONE = answered("111000", "000110", "000100")  # one word, then the end token
STOPPED = answered("111000", "000100", "000000")  # the end token first
HOLE = answered("011000", "000111", "000011")  # padded on the left, first word filtered

TABLE = [
    ("mean_prompt", FULL, 2), ("mean_prompt", NOTHING, 2), ("mean_prompt", HOLE, 2.5),
    ("mean_answer", FULL, 5), ("mean_answer", NOTHING, 4), ("mean_answer", ONE, 4),
    ("mean_answer", STOPPED, 4), ("mean_answer", HOLE, 5.5),
    ("first_answer", FULL, 4), ("first_answer", NOTHING, 4), ("first_answer", ONE, 4),
    ("first_answer", STOPPED, 4), ("first_answer", HOLE, 4),
    ("last_answer", FULL, 6), ("last_answer", NOTHING, 4), ("last_answer", ONE, 4),
    ("last_answer", STOPPED, 4), ("last_answer", HOLE, 6),
    ("mean_all", FULL, 3.5), ("mean_all", NOTHING, 2.5), ("mean_all", ONE, 2.5),
    ("mean_all", STOPPED, 2.5), ("mean_all", HOLE, 4),
]  # fmt: skip


@pytest.mark.parametrize(("name", "row", "expected"), TABLE)
def test_each_aggregation_and_what_an_empty_answer_means(name: str, row: Answered, expected: float) -> None:
    np.testing.assert_allclose(AGGREGATIONS[name](row), [[expected, 1]])


SECOND = answered("111000", "000110", "000000")  # the end token first, its own state kept as second slot
CLOSED = answered("110000", "001100", "001000", "111110")  # masks, then a closing token, then padding
PUBLISHED_TABLE = [
    # causal: G = kept slots after the first, else the second slot; h^N is always in avg-gen
    ("causal", "mean_answer", FULL, 5), ("causal", "mean_answer", NOTHING, 4.5), ("causal", "mean_answer", ONE, 4.5),
    ("causal", "mean_answer", SECOND, 4.5), ("causal", "mean_answer", STOPPED, 4), ("causal", "mean_answer", HOLE, 5),
    ("causal", "last_answer", FULL, 6), ("causal", "last_answer", ONE, 5), ("causal", "last_answer", STOPPED, 4),
    ("causal", "mean_all", FULL, 3.5), ("causal", "mean_all", ONE, 3), ("causal", "mean_all", STOPPED, 2.5),
    ("causal", "mean_prompt", FULL, 2), ("causal", "first_answer", HOLE, 4),
    # masked: all masks; avg-all holds the closing token
    ("masked", "mean_answer", CLOSED, 3.5), ("masked", "mean_prompt", CLOSED, 1.5), ("masked", "mean_all", CLOSED, 3),
    # encoder-decoder: kept slots, else the first
    ("seq2seq", "first_answer", HOLE, 5), ("seq2seq", "first_answer", NOTHING, 4),
    ("seq2seq", "mean_answer", HOLE, 5.5), ("seq2seq", "last_answer", NOTHING, 4),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "row", "expected"), PUBLISHED_TABLE)
def test_the_published_code_where_it_differs(kind: str, name: str, row: Answered, expected: float) -> None:
    function, _, _ = resolve_aggregation(name, "published", kind)
    np.testing.assert_allclose(function(row), [[expected, 1]])


@given(st.integers(1, 5), st.integers(1, 7), st.data())
def test_padding_and_order_of_rows_do_not_matter(rows: int, length: int, data: st.DataObject) -> None:
    """A row's vector depends on its own valid positions only: shuffling rows or adding junk padding changes nothing."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    slots = rng.random((rows, length)) < 0.5
    slots[:, -1] = True
    kept, prompt = slots & (rng.random((rows, length)) < 0.5), ~slots
    states = rng.standard_normal((rows, length, 3)).astype(np.float32)
    row = Answered(states, prompt, slots, kept, prompt | slots, np.where(slots, 1, -1), [""] * rows)
    order = rng.permutation(rows)

    def more(array: np.ndarray, fill: float) -> np.ndarray:
        wide = np.full((rows, length + 2, *array.shape[2:]), fill, array.dtype)
        wide[:, 1:-1] = array
        return wide[order]

    padded = Answered(
        more(states, 1e9), *(more(m, 0) for m in (prompt, slots, kept, prompt | slots)), more(slots, -1), [""] * rows
    )
    for function in AGGREGATIONS.values():
        np.testing.assert_allclose(function(padded), function(row)[order], rtol=1e-5)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("avg-ppt", "mean_prompt"), ("avg_gen", "mean_answer"), ("1st-gen", "first_answer"),
        ("fst_gen", "first_answer"), ("first_gen", "first_answer"), ("last_ppt", "first_answer"),
        ("Last-Gen", "last_answer"), ("avg_all", "mean_all"), ("mean-answer", "mean_answer"),
    ],
)  # fmt: skip
def test_the_papers_names_are_understood(spelling: str, name: str) -> None:
    assert resolve_aggregation(spelling, "answerspace", "causal")[0] is AGGREGATIONS[name]


def test_what_needs_generation_and_what_needs_prompt_states() -> None:
    needs = {name: resolve_aggregation(name, "answerspace", "causal")[2] for name in AGGREGATIONS}
    assert [name for name, generates in needs.items() if not generates] == ["mean_prompt", "first_answer"]
    assert resolve_aggregation("first_answer", "published", "causal")[2] is False
    assert resolve_aggregation("first_answer", "published", "seq2seq")[2] is True  # the first *kept* token
    assert [n for n, f in AGGREGATIONS.items() if needs_prompt_states(f)] == ["mean_prompt", "mean_all"]
    assert needs_prompt_states(lambda row: row.states[:, 0])


def test_a_function_is_an_aggregation() -> None:
    def widest(row: Answered) -> np.ndarray:
        return row.states.max(1)

    assert resolve_aggregation(widest, "answerspace", "fake") == (widest, None, True)


@pytest.mark.parametrize(
    ("aggregation", "convention", "kind", "message"),
    [
        ("median", "answerspace", "causal", "one of mean_prompt, mean_answer, first_answer, last_answer, mean_all"),
        ("reencode", "answerspace", "causal", r"Reencode\(encoder=...\)"),
        ("mean_answer", "paper", "causal", "one of answerspace, published"),
        ("1st-gen", "published", "masked", "a masked model has mean_prompt, mean_answer, mean_all"),
        ("avg-all", "published", "seq2seq", "a seq2seq model has"),
        (3, "answerspace", "causal", "a name, a function or a Reencode"),
    ],
)
def test_wrong_choices_say_what_is_right(aggregation: str, convention: str, kind: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve_aggregation(aggregation, convention, kind)


def test_every_published_variant_has_a_name_of_ours() -> None:
    assert {name for table in PUBLISHED.values() for name in table} <= set(AGGREGATIONS)


# --- re-encoding -------------------------------------------------------------------------------------------------


class Counting:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode(self, texts: list[str]) -> np.ndarray:
        self.seen += texts
        return np.array([[len(text), 2.0] for text in texts])


class WithInstruction(Counting):
    def encode(self, texts: list[str], instruction: str | None = "?") -> np.ndarray:
        assert instruction is None
        return super().encode(texts)


@pytest.mark.parametrize("encoder", [Counting(), WithInstruction()])
def test_reencoding_is_the_plain_mean_over_samples(encoder: Counting) -> None:
    reencode = Reencode(encoder, samples=3, temperature=0.8, seed=5)
    assert reencode.samplings() == [Sampling(0.8, 0.9, 5, draw) for draw in range(3)]
    vectors = reencode.mean([["a", "bb"], ["a", ""], ["aaaa", "b"]])
    np.testing.assert_allclose(vectors, [[2, 2], [1, 2]])
    assert sorted(encoder.seen) == ["", "a", "aaaa", "b", "bb"]  # each string once


@pytest.mark.parametrize("count", [1, 2])
def test_one_text_keeps_its_row(count: int) -> None:
    assert Reencode(Counting(), samples=2).mean([["a"] * count] * 2).shape == (count, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"samples": 0}, "samples"), ({"temperature": 0}, "temperature"), ({"top_p": 1.5}, "top_p")],
)
def test_wrong_numbers_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Reencode(Counting(), **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="method encode"):
        Reencode("e5")
