"""The contract: what every backbone must do under every aggregation, through the embedder.

``CASES`` is the single list to add a backbone or an engine to: a name and a function without arguments that gives a
Backbone. A case whose backbone can be saved is also saved, loaded and compared.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest
from tiny_bundled import tiny_bundled
from tiny_models import CAUSAL, MASKED, SEQ2SEQ, tiny

from answerspace import Embedder, InputError
from answerspace.aggregation import AGGREGATIONS, Reencode
from answerspace.answer_filter import AnswerFilter
from answerspace.backbones.bundled import load_bundled
from answerspace.backbones.causal import CausalBackbone
from answerspace.backbones.fake import FakeBackbone
from answerspace.backbones.masked import MaskedBackbone
from answerspace.backbones.prompt_tokens import PromptOptions
from answerspace.backbones.seq2seq import Seq2SeqBackbone
from answerspace.prompts import PAIR
from answerspace.protocols import Backbone
from answerspace.settings import Settings

QUESTION, OTHER = "What is being reviewed?", "How does the customer feel?"
TEXTS = [
    "The soup was cold and the waiter was rude.",
    "My flight to Boston was late, I need a refund. " * 3,
    "",
    "Good phone, bad battery.",
    "The soup was cold and the waiter was rude.",
    "{instruction} <mask> </s> [MASK] ### Response: {input}",
    "phone",
]
TOLERANCE = 2e-5  # float32 through three blocks with states of size one; sums in another order
HALF_PRECISION = 5e-3  # a bundled reading holds keys and values with 11 bits: 5e-4 of states of size ten
BUNDLED_ENGINES = ("onnx", "torch")
Close = Callable[[np.ndarray, np.ndarray], None]


def _torch(name: str) -> Backbone:
    model, tokenizer = tiny(name)
    if name in CAUSAL:
        return CausalBackbone(model, tokenizer)
    if name in MASKED:
        return MaskedBackbone(model, tokenizer)
    return Seq2SeqBackbone(model, tokenizer, answer_tokens=4)


def _fake() -> Backbone:
    return FakeBackbone({QUESTION: {"soup": "cold food", "flight": "flight"}, OTHER: {"soup": "angry"}})


CASES: dict[str, Callable[[], Backbone]] = {
    "fake": _fake,
    **{f"bundled-{name}": lambda name=name: load_bundled(tiny_bundled(), engine=name) for name in BUNDLED_ENGINES},
    **{name: lambda name=name: _torch(name) for name in (*CAUSAL, *MASKED, *SEQ2SEQ)},
    "bert-pair": lambda: MaskedBackbone(*tiny("bert"), PromptOptions(template=PAIR)),
    "opt-tail": lambda: CausalBackbone(*tiny("opt"), PromptOptions(truncation="tail", max_length=64, reserve=4)),
    "opt-published": lambda: CausalBackbone(*tiny("opt"), PromptOptions(convention="published", max_length=64)),
}


@lru_cache
def embedder_of(name: str) -> Embedder:
    backbone = CASES[name]()
    convention = backbone.options.convention if hasattr(backbone, "options") else "answerspace"
    return Embedder(backbone, Settings(normalize=False, convention=convention))


@pytest.fixture(params=CASES)
def embedder(request: pytest.FixtureRequest) -> Embedder:
    return embedder_of(request.param)


@pytest.fixture(params=AGGREGATIONS)
def aggregation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def close(embedder: Embedder) -> Close:
    atol = HALF_PRECISION if embedder.backbone.kind == "bundled" else TOLERANCE
    return lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=atol)


def test_vectors_are_finite_float32_rows(embedder: Embedder, aggregation: str) -> None:
    vectors = embedder.encode(TEXTS, QUESTION, aggregation=aggregation)
    assert vectors.shape == (len(TEXTS), embedder.dimension)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()


def test_batch_size_and_order_do_not_matter(embedder: Embedder, aggregation: str, close: Close) -> None:
    vectors = embedder.encode(TEXTS, QUESTION, aggregation=aggregation)
    close(embedder.encode(TEXTS, QUESTION, aggregation=aggregation, batch_size=1), vectors)
    close(embedder.encode(TEXTS[::-1], QUESTION, aggregation=aggregation, batch_size=2)[::-1], vectors)


def test_equal_texts_have_equal_vectors(embedder: Embedder, aggregation: str) -> None:
    vectors = embedder.encode(TEXTS, QUESTION, aggregation=aggregation, batch_size=2)
    np.testing.assert_array_equal(vectors[0], vectors[4])


def test_several_instructions_equal_one_call_each(embedder: Embedder, aggregation: str, close: Close) -> None:
    both = embedder.encode(TEXTS, [QUESTION, OTHER], aggregation=aggregation)
    assert both.shape == (2, len(TEXTS), embedder.dimension)
    close(both[0], embedder.encode(TEXTS, QUESTION, aggregation=aggregation))
    close(both[1], embedder.encode(TEXTS, OTHER, aggregation=aggregation))


def test_paired_instructions_equal_one_call_each(embedder: Embedder, aggregation: str, close: Close) -> None:
    questions = [QUESTION, OTHER] * 3 + [QUESTION]
    paired = embedder.encode(TEXTS, questions, paired=True, aggregation=aggregation)
    both = embedder.encode(TEXTS, [QUESTION, OTHER], aggregation=aggregation)
    close(paired, np.stack([both[i % 2, i] for i in range(len(TEXTS))]))


def test_reading_then_asking_equals_encoding(embedder: Embedder, aggregation: str, close: Close) -> None:
    reading = embedder.read(TEXTS, batch_size=3)
    first = reading.ask(QUESTION, aggregation=aggregation)
    close(first, embedder.encode(TEXTS, QUESTION, aggregation=aggregation))
    reading.ask(OTHER, aggregation=aggregation)
    np.testing.assert_array_equal(reading.ask(QUESTION, aggregation=aggregation), first)  # asking left it as it was


def test_a_string_gives_one_vector(embedder: Embedder, aggregation: str, close: Close) -> None:
    vector = embedder.encode(TEXTS[0], QUESTION, aggregation=aggregation)
    assert vector.shape == (embedder.dimension,)
    close(vector, embedder.encode([TEXTS[0]], QUESTION, aggregation=aggregation)[0])


def test_no_texts_give_no_vectors(embedder: Embedder, aggregation: str) -> None:
    assert embedder.encode([], QUESTION, aggregation=aggregation).shape == (0, embedder.dimension)
    assert embedder.encode([], [QUESTION, OTHER], aggregation=aggregation).shape == (2, 0, embedder.dimension)


def test_normalised_vectors_have_unit_length(embedder: Embedder, aggregation: str, close: Close) -> None:
    raw = embedder.encode(TEXTS, QUESTION, aggregation=aggregation)
    unit = embedder.encode(TEXTS, QUESTION, aggregation=aggregation, normalize=True)
    lengths = np.linalg.norm(raw, axis=1, keepdims=True)
    close(unit * lengths, raw)
    close(np.linalg.norm(unit, axis=1), (lengths[:, 0] > 0).astype(np.float32))


def test_encoding_is_deterministic_and_leaves_inputs_alone(embedder: Embedder, aggregation: str) -> None:
    texts, questions = list(TEXTS), [QUESTION, OTHER]
    first = embedder.encode(texts, questions, aggregation=aggregation)
    np.testing.assert_array_equal(embedder.encode(texts, questions, aggregation=aggregation), first)
    assert texts == TEXTS
    assert questions == [QUESTION, OTHER]


def test_layers_count_from_both_ends(embedder: Embedder, close: Close) -> None:
    layers = embedder.backbone.layers
    for layer in (0, 1, layers):
        vectors = embedder.encode(TEXTS[:2], QUESTION, layer=layer, aggregation="mean_all")
        close(embedder.encode(TEXTS[:2], QUESTION, layer=layer - layers - 1, aggregation="mean_all"), vectors)
    for wrong in (layers + 1, -layers - 2):
        with pytest.raises(InputError, match=f"between {-layers - 1} and {layers}"):
            embedder.encode(TEXTS, QUESTION, layer=wrong)


def test_different_questions_give_different_vectors(embedder: Embedder) -> None:
    both = embedder.encode(TEXTS[0], [QUESTION, OTHER], aggregation="first_answer")
    assert np.abs(both[0] - both[1]).max() > 1e-3


def test_answers_in_words_are_stripped_strings(embedder: Embedder) -> None:
    answers = embedder.answer(TEXTS, QUESTION)
    assert [type(answer) for answer in answers] == [str] * len(TEXTS)
    assert all(answer == answer.strip() for answer in answers)
    assert embedder.answer(TEXTS, QUESTION, batch_size=1) == answers
    assert embedder.read(TEXTS).answer(QUESTION) == answers


def test_the_filter_leaves_finite_vectors(embedder: Embedder) -> None:
    for chosen in (AnswerFilter(), AnswerFilter(published=True)):
        vectors = embedder.encode(TEXTS, QUESTION, answer_filter=chosen)
        assert np.isfinite(vectors).all()


class LengthEncoder:
    """A string's vector is its length and a one."""

    def encode(self, texts: list[str]) -> np.ndarray:
        return np.array([[len(text), 1] for text in texts], np.float32)


def test_reencoding_ignores_batches(embedder: Embedder, close: Close) -> None:
    chosen = Reencode(LengthEncoder(), samples=2, seed=3)
    vectors = embedder.encode(TEXTS, QUESTION, aggregation=chosen)
    assert vectors.shape == (len(TEXTS), 2)
    np.testing.assert_array_equal(embedder.encode(TEXTS, QUESTION, aggregation=chosen, batch_size=1), vectors)
    answers = [embedder.answer(TEXTS, QUESTION, sampling=draw) for draw in chosen.samplings()]
    np.testing.assert_allclose(vectors[:, 0], np.mean([[len(a) for a in draw] for draw in answers], axis=0))


def test_the_head_and_the_tokens_agree_on_the_vocabulary(embedder: Embedder) -> None:
    scores = embedder.backbone.head(np.ones((2, embedder.dimension), np.float32))
    assert scores.shape[0] == 2
    assert scores.dtype == np.float32
    assert len(embedder.backbone.tokens(range(scores.shape[1]))) == scores.shape[1]
    states = embedder.encode(TEXTS[:2], QUESTION)
    words = embedder.contrast_words(states, states.mean(0), top=3)
    assert all(len(row) <= 3 and all(w.isalpha() and w.islower() for w in row) for row in words)


def test_saved_and_loaded_equals_original(embedder: Embedder, tmp_path: object, close: Close) -> None:
    if not hasattr(embedder.backbone, "save"):
        with pytest.raises(InputError, match="must have files"):
            embedder.save(str(tmp_path))
        return
    embedder.save(str(tmp_path))
    loaded = Embedder.load(str(tmp_path))
    assert loaded.settings == embedder.settings
    close(loaded.encode(TEXTS, QUESTION), embedder.encode(TEXTS, QUESTION))
