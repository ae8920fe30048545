"""The vLLM backbone against a stub of vLLM's calls that runs a tiny torch model: the vectors of the torch backbone."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import tiny

from answerspace import Embedder, InputError
from answerspace.answers import Sampling
from answerspace.backbones.causal import CausalBackbone
from answerspace.backbones.prompt_tokens import PromptOptions
from answerspace.backbones.vllm import Shape, VllmBackbone
from answerspace.loading import load_backbone
from answerspace.settings import Settings

QUESTION, OTHER = "What is being reviewed?", "How does the customer feel?"
TEXTS = ["The soup was cold.", "My flight to Boston was late. " * 9, "", "phone", "The soup was cold."]


@dataclass
class StubLLM:
    """``vllm.LLM`` as far as the backbone uses it: ``embed`` for the pooling runner, ``generate`` for the other."""

    model: Any
    tokenizer: Any
    runner: str
    prompts: list[list[int]] = field(default_factory=list)
    parameters: list[dict[str, Any]] = field(default_factory=list)

    @torch.inference_mode()
    def embed(self, prompts: list[dict[str, list[int]]], *, use_tqdm: bool) -> list[Any]:
        """The last layer's state at the last position of each prompt, not normalised."""
        assert self.runner == "pooling"
        return [SimpleNamespace(outputs=SimpleNamespace(embedding=self._last(p).tolist())) for p in prompts]

    @torch.inference_mode()
    def generate(
        self, prompts: list[dict[str, list[int]]], parameters: list[dict[str, Any]], *, use_tqdm: bool
    ) -> list[Any]:
        """Greedy tokens; the token that ends an answer is among them, as vLLM has it."""
        assert self.runner == "generate"
        self.parameters += parameters
        return [self._generated(p["prompt_token_ids"], s) for p, s in zip(prompts, parameters, strict=True)]

    def _last(self, prompt: dict[str, list[int]]) -> torch.Tensor:
        ids = prompt["prompt_token_ids"]
        self.prompts.append(ids)
        state: torch.Tensor = self.model.get_decoder()(torch.tensor([ids]))[0][0, -1]
        return state

    def _generated(self, ids: list[int], parameters: dict[str, Any]) -> Any:
        made: list[int] = []
        while len(made) < parameters["max_tokens"] and made[-1:] != [self.tokenizer.eos_token_id]:
            made.append(int(self.model(torch.tensor([[*ids, *made]])).logits[0, -1].argmax()))
        return SimpleNamespace(outputs=[SimpleNamespace(token_ids=made)])


class Opened:
    """Opens stubs and remembers them by their runner."""

    def __init__(self, name: str) -> None:
        self.model, self.tokenizer = tiny(name)
        self.engines: dict[str, StubLLM] = {}

    def __call__(self, runner: str) -> StubLLM:
        self.engines[runner] = StubLLM(self.model, self.tokenizer, runner)
        return self.engines[runner]


def pair(name: str, **options: Any) -> tuple[Embedder, Embedder, Opened]:
    """Embedders of the same tiny model, through the stub and through torch."""
    opened = Opened(name)
    shape = Shape(layers=3, dimension=32, positions=256)
    settings = Settings(normalize=False)
    ours = VllmBackbone(name, opened.tokenizer, shape, opened, PromptOptions(**options))
    torchs = CausalBackbone(*tiny(name), PromptOptions(**options))
    return Embedder(ours, settings), Embedder(torchs, settings), opened


@pytest.mark.parametrize("aggregation", ["first_answer", "mean_answer", "last_answer"])
@pytest.mark.parametrize("name", ["gpt2", "opt", "llama"])
def test_vectors_and_answers_are_those_of_the_torch_backbone(name: str, aggregation: str) -> None:
    """float32 through three blocks with states of size one, sums in another order: 2e-5."""
    ours, torchs, _ = pair(name)
    found = ours.ask_and_answer(TEXTS, [QUESTION, OTHER], aggregation=aggregation)
    wanted = torchs.ask_and_answer(TEXTS, [QUESTION, OTHER], aggregation=aggregation)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one.vectors, other.vectors, rtol=2e-5, atol=2e-5)
        assert one.answers == other.answers


def test_the_first_answer_opens_no_generating_engine_and_sends_each_distinct_prompt_once() -> None:
    ours, _, opened = pair("gpt2")
    ours.encode(TEXTS, QUESTION, aggregation="first_answer")
    assert list(opened.engines) == ["pooling"]
    assert len(opened.engines["pooling"].prompts) == 4


def test_what_further_questions_send_begins_with_the_text_already_sent() -> None:
    """So the prefix cache can serve it: two prompts over one text agree up to the question."""
    ours, _, opened = pair("opt")
    ours.encode(TEXTS[:1], [QUESTION, OTHER], aggregation="first_answer")
    first, second = opened.engines["pooling"].prompts
    shared = ours.backbone.prompts.before_question(TEXTS[0])
    assert first != second
    assert first[: len(shared) - 1] == second[: len(shared) - 1] == shared[:-1]


def test_draws_have_a_seed_of_their_own_whatever_the_order() -> None:
    ours, _, opened = pair("gpt2")
    ours.answer(TEXTS[:2], QUESTION, sampling=Sampling(0.7, 0.8))
    ours.answer(TEXTS[1::-1], QUESTION, sampling=Sampling(0.7, 0.8))
    sent = opened.engines["generate"].parameters
    assert sorted(p["seed"] for p in sent[:2]) == sorted(p["seed"] for p in sent[2:])
    assert len({p["seed"] for p in sent}) == 2
    assert {(p["temperature"], p["top_p"], p["max_tokens"]) for p in sent} == {(0.7, 0.8, 3)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"aggregation": "mean_prompt"}, "aggregation must be"),
        ({"aggregation": "first_answer", "layer": 1}, "layer must be -1"),
        ({"aggregation": "mean_answer", "answer_tokens": -1}, "answer_tokens must be at least 0"),
        ({"aggregation": "mean_answer", "answer_tokens": 256}, "answer_tokens must be below"),
    ],
)
def test_what_vllm_cannot_give_is_refused(options: dict[str, Any], message: str) -> None:
    ours, _, _ = pair("gpt2")
    with pytest.raises(InputError, match=message):
        ours.encode(TEXTS, QUESTION, **options)


def test_the_published_convention_stops_at_the_first_answer() -> None:
    ours, _, _ = pair("gpt2", convention="published", max_length=64)
    assert ours.encode(TEXTS, QUESTION, aggregation="first_answer").shape == (5, 32)
    with pytest.raises(InputError, match="published"):
        ours.answer(TEXTS, QUESTION)


def test_words_of_the_head_name_the_engine_to_use() -> None:
    ours, _, _ = pair("gpt2")
    with pytest.raises(InputError, match="engine='torch'"):
        ours.head_words(np.zeros((1, 32), np.float32))


def test_loading_without_vllm_names_the_extra(tmp_path: Any) -> None:
    model, tokenizer = tiny("gpt2")
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"answerspace\[vllm\]"):
        load_backbone(tmp_path, engine="vllm")
