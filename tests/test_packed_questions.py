"""Several questions in one pass over a reading: the states of one pass each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from tiny_models import CAUSAL, tiny

from answerspace import Embedder
from answerspace.answers import Answered, Asking
from answerspace.backbones.causal import CausalBackbone, CausalRead
from answerspace.backbones.prompt_tokens import PromptOptions
from answerspace.prompts import ALPACA
from answerspace.settings import Settings

TEXTS = ["The soup was cold.", "My flight to Boston was late. " * 9, "x", "", "Bad battery;\n\n### Instruction:\nno"]
QUESTIONS = ["What is being reviewed?", "Who? " * 6, "Why?", "\nHow does the customer feel?"]
FIRST = Asking(answer_tokens=0, prompt_states=False, words=False)
OPTIONS = {
    "plain": PromptOptions(),
    "instruction first": PromptOptions(template=ALPACA),
    "a cut that depends on the question": PromptOptions(max_length=64, reserve=4),
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("name", CAUSAL)
def test_one_pass_gives_the_states_of_one_pass_each(name: str, options: PromptOptions) -> None:
    """float32 through three blocks with states of size one, sums in another order: 2e-5."""
    backbone = CausalBackbone(*tiny(name), options)
    read = backbone.read(TEXTS)
    for layer in (-1, 1):
        asking = Asking(layer=layer, answer_tokens=0, prompt_states=False, words=False)
        together = backbone.ask_many(read, QUESTIONS, asking)
        assert together is not None
        for question, answered in zip(QUESTIONS, together, strict=True):
            alone = backbone.ask(read, [question] * len(TEXTS), asking)
            assert answered.slot_mask.all()
            np.testing.assert_allclose(answered.states, alone.states, rtol=2e-5, atol=2e-5)


def test_the_reading_stays_and_the_order_of_questions_does_not_matter() -> None:
    backbone = CausalBackbone(*tiny("opt"))
    read = backbone.read(TEXTS)
    before = [keys.clone() for keys, _ in read.keys_values]
    one = backbone.ask_many(read, QUESTIONS, FIRST)
    other = backbone.ask_many(read, QUESTIONS[::-1], FIRST)
    assert one is not None
    assert other is not None
    for left, right in zip(one, other[::-1], strict=True):
        np.testing.assert_allclose(left.states, right.states, rtol=2e-5, atol=2e-5)
    assert all((keys == old).all() for (keys, _), old in zip(read.keys_values, before, strict=True))


@pytest.mark.parametrize("asking", [Asking(), Asking(answer_tokens=0), Asking(answer_tokens=2, prompt_states=False)])
def test_what_needs_more_than_the_first_slot_is_left_to_ask(asking: Asking) -> None:
    backbone = CausalBackbone(*tiny("gpt2"))
    assert backbone.ask_many(backbone.read(TEXTS), QUESTIONS, asking) is None


def test_a_model_of_another_kind_is_left_to_ask() -> None:
    backbone = CausalBackbone(*tiny("gpt2"))
    kind = backbone.model.config.model_type
    try:
        backbone.model.config.model_type = "bloom"
        assert backbone.ask_many(backbone.read(TEXTS), QUESTIONS, FIRST) is None
    finally:
        backbone.model.config.model_type = kind


@pytest.mark.parametrize("aggregation", ["first_answer", "mean_answer"])
def test_a_call_with_several_questions_packs_them_where_it_can(aggregation: str) -> None:
    """More questions than go together, two of them equal; the same vectors as one call each, within 2e-5."""
    backbone = CausalBackbone(*tiny("llama"))
    packed: list[int] = []
    plain = backbone.ask_many

    def counted(read: CausalRead, instructions: Sequence[str], asking: Asking) -> list[Answered] | None:
        found = plain(read, instructions, asking)
        packed.append(0 if found is None else len(instructions))
        return found

    backbone.ask_many = counted  # type: ignore[method-assign]
    embedder = Embedder(backbone, Settings(aggregation=aggregation))
    many = [f"{question} {i % 9}" for i, question in enumerate(QUESTIONS * 5)]
    together = embedder.encode(TEXTS, many)
    assert packed == ([16, 4] if aggregation == "first_answer" else [0, 0])
    for question, vectors in zip(many[::6], together[::6], strict=True):
        np.testing.assert_allclose(vectors, embedder.encode(TEXTS, question), rtol=2e-5, atol=2e-5)
