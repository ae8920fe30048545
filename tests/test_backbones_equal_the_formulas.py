"""Every backbone and aggregation against the plain row-by-row reference."""

from __future__ import annotations

import numpy as np
import pytest
from reference import Row, reference
from tiny_models import BUILDERS, CAUSAL, MASKED, SEQ2SEQ, tiny

from answerspace import Embedder
from answerspace.aggregation import AGGREGATIONS
from answerspace.backbones.causal import CausalBackbone
from answerspace.backbones.masked import MaskedBackbone
from answerspace.backbones.prompt_tokens import PromptOptions
from answerspace.backbones.seq2seq import Seq2SeqBackbone
from answerspace.settings import Settings

QUESTION = "What is being reviewed?"
TEXTS = ["The soup was cold.", "My flight to Boston was late, I need a refund. " * 3, "phone", "", "Bad; bad battery!"]
STEPS = 3


def close(vectors: np.ndarray, wanted: np.ndarray, message: str = "") -> None:
    """Within 1e-5 of the largest entry: float32 rounds at 6e-8 and a state sums a few hundred products."""
    scale = max(1.0, float(np.abs(wanted).max()))
    np.testing.assert_allclose(vectors, wanted, rtol=1e-5, atol=1e-5 * scale, err_msg=message)


def embedder_of(name: str, answer_tokens: int = STEPS) -> Embedder:
    model, tokenizer = tiny(name)
    if name in MASKED:
        return Embedder(MaskedBackbone(model, tokenizer, masks=answer_tokens), Settings(normalize=False))
    kind = CausalBackbone if name in CAUSAL else Seq2SeqBackbone
    return Embedder(kind(model, tokenizer, answer_tokens=answer_tokens), Settings(normalize=False))


def rows(name: str, layer: int = 3, steps: int = STEPS) -> list[Row]:
    return [reference(*tiny(name), text, QUESTION, layer, steps) for text in TEXTS]


@pytest.mark.parametrize("layer", [0, 1, 2, 3])
@pytest.mark.parametrize("name", BUILDERS)
def test_every_aggregation_at_every_layer(name: str, layer: int) -> None:
    expected = rows(name, layer)
    embedder = embedder_of(name)
    for aggregation in AGGREGATIONS:
        vectors = embedder.encode(TEXTS, QUESTION, aggregation=aggregation, layer=layer)
        wanted = np.stack([row.aggregate(aggregation) for row in expected])
        close(vectors, wanted, aggregation)


@pytest.mark.parametrize("name", BUILDERS)
def test_the_answer_in_words(name: str) -> None:
    tokenizer = tiny(name)[1]
    words = [
        tokenizer.decode([t for t, kept in zip(r.tokens, r.kept, strict=True) if kept]).strip() for r in rows(name)
    ]
    assert embedder_of(name).answer(TEXTS, QUESTION) == words


@pytest.mark.parametrize("name", [*CAUSAL, *SEQ2SEQ])
@pytest.mark.parametrize("steps", [1, 6])
def test_other_answer_lengths(name: str, steps: int) -> None:
    expected = rows(name, steps=steps)
    for aggregation in ("mean_answer", "last_answer", "mean_all"):
        vectors = embedder_of(name, steps).encode(TEXTS, QUESTION, aggregation=aggregation)
        wanted = np.stack([row.aggregate(aggregation) for row in expected])
        close(vectors, wanted, aggregation)


@pytest.mark.parametrize("name", BUILDERS)
def test_the_head_is_the_models_own(name: str) -> None:
    embedder = embedder_of(name)
    states = embedder.encode(TEXTS, QUESTION, aggregation="first_answer")
    best = embedder.backbone.head(states).argmax(1).tolist()
    assert best == [row.tokens[0] for row in rows(name)]


def published_causal(row: Row, name: str) -> np.ndarray:
    """The authors' G = {h^(N+k): g_(k+1) kept}, else h^(N+1); h^N = slots[0]."""
    g = [s for s, kept in zip(row.slots[1:], row.kept[1:], strict=True) if kept] or [row.slots[1]]
    every = {
        "mean_prompt": list(row.prompt),
        "mean_answer": [row.slots[0], *g],
        "first_answer": [row.slots[0]],
        "last_answer": [g[-1]],
        "mean_all": [*row.prompt, row.slots[0], *g],
    }
    return np.mean(every[name], axis=0)


@pytest.mark.parametrize("name", CAUSAL)
def test_the_published_causal_aggregations(name: str) -> None:
    backbone = CausalBackbone(*tiny(name), PromptOptions(convention="published", max_length=200))
    embedder = Embedder(backbone, Settings(normalize=False, convention="published"))
    for aggregation in AGGREGATIONS:
        vectors = embedder.encode(TEXTS, QUESTION, aggregation=aggregation)
        wanted = np.stack([published_causal(row, aggregation) for row in rows(name)])
        close(vectors, wanted, aggregation)


@pytest.mark.parametrize("name", MASKED)
def test_the_published_masked_aggregations(name: str) -> None:
    embedder = Embedder(MaskedBackbone(*tiny(name)), Settings(normalize=False, convention="published"))
    expected = {
        "mean_answer": [row.slots.mean(0) for row in rows(name)],
        "mean_prompt": [row.prompt.mean(0) for row in rows(name)],
        "mean_all": [np.concatenate([row.prompt, row.slots, row.rest]).mean(0) for row in rows(name)],
    }
    for aggregation, wanted in expected.items():
        vectors = embedder.encode(TEXTS, QUESTION, aggregation=aggregation)
        close(vectors, np.stack(wanted), aggregation)
