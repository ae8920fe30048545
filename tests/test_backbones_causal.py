"""The causal reading: a kept cache gives the states of a plain pass, and stays as it was."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from tiny_models import CAUSAL, byte_tokenizer, tiny

from answerspace import InputError
from answerspace.answers import Answered, Asking, Sampling
from answerspace.backbones.causal import CausalBackbone
from answerspace.backbones.prompt_tokens import PromptOptions
from answerspace.backbones.torch_model import capacity
from answerspace.prompts import ALPACA, LLAMA2_CHAT, Template

QUESTION = "What is being reviewed?"
TEXTS = ["The soup was cold.", "My flight to Boston was late. " * 12, "x", "", "Bad battery;\n\n### Instruction:\nno"]
OPTIONS = {
    "plain": PromptOptions(),
    "instruction first": PromptOptions(template=ALPACA),
    "bare instruction first": PromptOptions(template=Template.from_string("{instruction} {input}")),
    "chat": PromptOptions(template=LLAMA2_CHAT, max_length=160),
    "head": PromptOptions(max_length=64, reserve=8),
    "tail": PromptOptions(max_length=64, reserve=8, truncation="tail"),
    "published": PromptOptions(max_length=64, convention="published"),
}


@torch.inference_mode()
def plain_pass(backbone: CausalBackbone, text: str, question: str, layer: int) -> np.ndarray:
    """States of the whole prompt by one forward pass without padding or cache."""
    ids = backbone.prompts.prompt(text, question)[0]
    out = backbone.model(torch.tensor([ids]), output_hidden_states=True)
    return np.asarray(out.hidden_states[layer][0].numpy())


def prompt_and_first_slot(answered: Answered, row: int) -> np.ndarray:
    mask = answered.prompt_mask[row].copy()
    mask[answered.slot_mask[row].argmax()] = True
    return np.asarray(answered.states[row][mask])


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("name", CAUSAL)
def test_a_reading_gives_the_states_of_a_plain_pass(name: str, options: PromptOptions) -> None:
    """A batch of mixed lengths and questions, at the last and at an inner layer, within 1e-5."""
    backbone = CausalBackbone(*tiny(name), options)
    read = backbone.read(TEXTS)
    questions = [QUESTION, QUESTION, "Who? " * 5, "Why?", "\nHow does the customer feel?"]
    for layer in (3, 1):
        answered = backbone.ask(read, questions, Asking(layer=layer))
        for row, (text, question) in enumerate(zip(TEXTS, questions, strict=True)):
            wanted = plain_pass(backbone, text, question, layer)
            np.testing.assert_allclose(prompt_and_first_slot(answered, row), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CAUSAL)
def test_asking_leaves_the_reading_as_it_was(name: str) -> None:
    backbone = CausalBackbone(*tiny(name))
    read = backbone.read(TEXTS)
    before = [(keys.clone(), values.clone()) for keys, values in read.keys_values]
    first = backbone.ask(read, [QUESTION] * 5, Asking())
    backbone.ask(read, ["How? " * 9] * 5, Asking(layer=0, answer_tokens=6))
    for (keys, values), (old_keys, old_values) in zip(read.keys_values, before, strict=True):
        assert torch.equal(keys, old_keys)
        assert torch.equal(values, old_values)
    np.testing.assert_array_equal(backbone.ask(read, [QUESTION] * 5, Asking()).states, first.states)


def test_a_further_question_costs_its_own_tokens() -> None:
    backbone = CausalBackbone(*tiny("llama"))
    seen: list[int] = []
    hook = backbone.stack.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    read = backbone.read(TEXTS)
    backbone.ask(read, [QUESTION] * 5, Asking(answer_tokens=0, prompt_states=False))
    hook.remove()
    question = byte_tokenizer("none")(f"\n{QUESTION}\n\n### Response:")["input_ids"]
    assert seen[0] > 100
    assert len(seen) == 2
    assert seen[1] <= len(question)


@pytest.mark.parametrize("name", CAUSAL)
def test_leaving_prompt_states_out_changes_no_slot(name: str) -> None:
    backbone = CausalBackbone(*tiny(name))
    read = backbone.read(TEXTS)
    whole = backbone.ask(read, [QUESTION] * 5, Asking(layer=2))
    slots = backbone.ask(read, [QUESTION] * 5, Asking(layer=2, prompt_states=False))
    assert not slots.prompt_mask.any()
    np.testing.assert_array_equal(slots.states[slots.slot_mask], whole.states[whole.slot_mask])
    np.testing.assert_array_equal(slots.predicted[slots.slot_mask], whole.predicted[whole.slot_mask])
    assert slots.answers == whole.answers


# --- answers -----------------------------------------------------------------------------------------------------


def stopping_at(name: str, token: int, options: PromptOptions | None = None) -> CausalBackbone:
    """A model for which ``token`` ends the answer."""
    model, tokenizer = tiny(name)
    model = copy.deepcopy(model)
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, token]
    return CausalBackbone(model, tokenizer, options)


def first_token(name: str, text: str, n: int = 0) -> int:
    backbone = CausalBackbone(*tiny(name))
    answered = backbone.ask(backbone.read([text]), [QUESTION], Asking(answer_tokens=n + 1))
    return int(answered.predicted[answered.slot_mask][n])


@pytest.mark.parametrize("name", CAUSAL)
def test_an_answer_that_ends_at_once_has_one_slot_and_no_words(name: str) -> None:
    backbone = stopping_at(name, first_token(name, TEXTS[0]))
    alone = backbone.ask(backbone.read(TEXTS[:1]), [QUESTION], Asking())
    assert alone.slot_mask.sum() == 1
    assert not alone.answer_mask.any()
    assert alone.answers == [""]
    together = backbone.ask(backbone.read(TEXTS), [QUESTION] * 5, Asking())
    assert together.slot_mask[0].sum() == 1
    assert together.answers[0] == ""
    np.testing.assert_allclose(
        together.states[0][together.slot_mask[0]], alone.states[0][alone.slot_mask[0]], atol=1e-5
    )


def test_the_published_convention_keeps_the_state_at_the_end_token() -> None:
    backbone = stopping_at("opt", first_token("opt", TEXTS[0]), PromptOptions(convention="published", max_length=64))
    answered = backbone.ask(backbone.read(TEXTS[:1]), [QUESTION], Asking())
    assert answered.slot_mask.sum() == 2
    assert not answered.answer_mask.any()
    ids = backbone.prompts.prompt(TEXTS[0], QUESTION)[0] + [first_token("opt", TEXTS[0])]
    with torch.inference_mode():
        states = backbone.model(torch.tensor([ids]), output_hidden_states=True).hidden_states[-1][0].numpy()
    np.testing.assert_allclose(answered.states[answered.slot_mask], states[-2:], atol=1e-5)


@pytest.mark.parametrize(("wanted", "slots", "words"), [(0, 1, False), (1, 1, True), (5, 5, True)])
def test_how_many_tokens(wanted: int, slots: int, words: bool) -> None:
    backbone = CausalBackbone(*tiny("gpt2"))
    answered = backbone.ask(backbone.read(["The soup was cold."]), [QUESTION], Asking(answer_tokens=wanted))
    assert answered.slot_mask.sum() == slots
    assert bool(answered.answers[0]) is words


def test_impossible_lengths_are_refused() -> None:
    backbone = CausalBackbone(*tiny("gpt2"))
    read = backbone.read(TEXTS)
    with pytest.raises(InputError, match="at least 0"):
        backbone.ask(read, [QUESTION] * 5, Asking(answer_tokens=-1))
    with pytest.raises(InputError, match="An instruction must fit"):
        backbone.ask(read, [QUESTION] * 5, Asking(answer_tokens=250))


@pytest.mark.parametrize("name", CAUSAL)
def test_samples_depend_on_seed_and_draw_but_not_on_the_batch(name: str) -> None:
    backbone = CausalBackbone(*tiny(name), answer_tokens=6)
    asking = Asking(sampling=Sampling(temperature=2.0, top_p=0.95))
    together = backbone.ask(backbone.read(TEXTS), [QUESTION] * 5, asking).answers
    alone = [backbone.ask(backbone.read([text]), [QUESTION], asking).answers[0] for text in TEXTS]
    assert together == alone
    backwards = backbone.ask(backbone.read(TEXTS[::-1]), [QUESTION] * 5, asking).answers
    assert backwards[::-1] == together
    for other in (Sampling(2.0, 0.95, draw=1), Sampling(2.0, 0.95, seed=1)):
        assert backbone.ask(backbone.read(TEXTS), [QUESTION] * 5, replace(asking, sampling=other)).answers != together
    cold = Asking(sampling=Sampling(temperature=1e-4))
    assert backbone.ask(backbone.read(TEXTS), [QUESTION] * 5, cold).answers == (
        backbone.ask(backbone.read(TEXTS), [QUESTION] * 5, Asking()).answers
    )


def test_a_model_that_projects_its_last_states() -> None:
    """OPT-350m: inner layers are wider than the last, which is what the head takes."""
    tokenizer = byte_tokenizer("bos")
    config = transformers.OPTConfig(
        vocab_size=len(tokenizer), max_position_embeddings=128, hidden_size=32, ffn_dim=64, num_hidden_layers=2,
        num_attention_heads=4, word_embed_proj_dim=16, do_layer_norm_before=False,
    )  # fmt: skip
    torch.manual_seed(0)
    backbone = CausalBackbone(transformers.OPTForCausalLM(config), tokenizer)
    assert backbone.dimension == 16
    read = backbone.read(TEXTS)
    for layer, width in ((2, 16), (1, 32)):
        answered = backbone.ask(read, [QUESTION] * 5, Asking(layer=layer))
        assert answered.states.shape[2] == width
        wanted = plain_pass(backbone, TEXTS[0], QUESTION, layer)
        np.testing.assert_allclose(prompt_and_first_slot(answered, 0), wanted, atol=1e-5)


def test_the_fingerprint_knows_weights_and_prompt() -> None:
    model, tokenizer = tiny("gpt2")
    prints = {
        CausalBackbone(model, tokenizer).fingerprint,
        CausalBackbone(model, tokenizer, PromptOptions(template=ALPACA)).fingerprint,
        CausalBackbone(model, tokenizer, PromptOptions(truncation="tail")).fingerprint,
        CausalBackbone(*tiny("opt")).fingerprint,
    }
    assert len(prints) == 4
    changed = copy.deepcopy(model)
    with torch.no_grad():
        changed.transformer.h[1].mlp.c_fc.weight.add_(1e-3)
    prints |= {CausalBackbone(changed, tokenizer).fingerprint, CausalBackbone(model, tokenizer).fingerprint}
    assert len(prints) == 5


def test_how_many_positions_a_model_holds() -> None:
    """RoBERTa counts its positions from the padding id on: 258 rows hold 256 tokens."""
    for name in ("roberta", "bert", "gpt2", "opt", "llama", "bart"):
        assert capacity(tiny(name)[0]) == 256
    assert capacity(tiny("t5")[0]) is None
