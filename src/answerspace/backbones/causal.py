"""Causal language models (GPT-2, OPT, Llama, ...): the text's key/value cache is read once and asked many times.

A causal state never looks ahead, so all that stands before the instruction can be computed before the question is
known. What is kept is checked against the ids of the whole prompt: the longest common prefix is reused, the rest (a
token that merged with the question, a text cut shorter for a long question) is computed again. So the states are
those of a plain pass over each prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from answerspace.answers import Answered, Asking
from answerspace.backbones.decoding import Decoded, decode, draws
from answerspace.backbones.layer_states import captured
from answerspace.backbones.prompt_tokens import PromptOptions, PromptTokens
from answerspace.backbones.seq2seq import stop_ids
from answerspace.backbones.torch_model import TorchModel, capacity, numbers, padded
from answerspace.errors import InputError


@dataclass(frozen=True)
class CausalRead:
    """B texts before any question: ``ids`` per text, right-padded ``keys_values`` (B, H, P, d) per block, and the
    last layer's ``states`` (B, P, D)."""

    texts: list[str]
    ids: list[list[int]]
    keys_values: list[tuple[torch.Tensor, torch.Tensor]]
    states: torch.Tensor


@dataclass(frozen=True)
class _Question:
    """What is left to compute: ``reused`` (B) tokens of the reading count, ``ids``/``mask`` (B, S) are left-padded."""

    reused: np.ndarray
    ids: np.ndarray
    mask: np.ndarray


PACKABLE = ("gpt2", "llama", "mistral", "opt", "qwen2", "qwen3")
"""Model types whose attention takes a mask of our own: positions are given, nothing else is counted from the mask."""


class CausalBackbone(TorchModel):
    """Asks a causal LM: the prompt, then up to ``answer_tokens`` tokens, greedy or sampled.

    The slots are the last prompt position and every generated position but the last. ``answer_tokens`` 0 computes
    the first slot only and leaves ``answers`` empty. An answer that ends at once (end-of-sequence first) has one
    slot, not kept. Under the published convention such a row has a second slot, the state at the end token.
    """

    kind = "causal"

    def __init__(
        self, model: Any, tokenizer: Any, options: PromptOptions | None = None, *, answer_tokens: int = 3
    ) -> None:
        super().__init__(model, tokenizer, options or PromptOptions(), model.get_decoder())
        self.answer_tokens = answer_tokens
        self._capacity = capacity(model)
        published = self.options.convention == "published"
        self.prompts = PromptTokens(
            tokenizer,
            self.options,
            # published: 512 tokens of prompt, the answer comes on top
            capacity=None if self._capacity is None else self._capacity - (answer_tokens if published else 0),
            slots=0 if published else answer_tokens,
            keep_after=False,
        )
        self.max_length = self.prompts.max_length
        self.stop_ids = stop_ids(model, tokenizer)
        self.special_ids = np.union1d(self.special_ids, self.stop_ids.cpu().numpy())  # never part of an answer

    @torch.inference_mode()
    def read(self, texts: Sequence[str]) -> CausalRead:
        """Run all that precedes the instruction and keep its keys, values and last states."""
        ids = [self.prompts.before_question(text) for text in texts]
        if not any(ids):
            return CausalRead(list(texts), ids, [], torch.zeros((len(texts), 0, self.dimension), device=self.device))
        rows, mask = padded([row or [self.pad_id] for row in ids], self.pad_id)
        with self._lock:
            states, cache = self._prefix_pass(rows, mask, self.layers)
        return CausalRead(list(texts), ids, [(layer.keys, layer.values) for layer in cache.layers], states)

    @torch.inference_mode()
    def ask(self, read: CausalRead, instructions: Sequence[str], asking: Asking) -> Answered:
        """Run the rest of each prompt and its answer on a copy of the reading's cache; the reading stays as it is."""
        layer = asking.layer % (self.layers + 1)
        wanted = self.answer_tokens if asking.answer_tokens is None else asking.answer_tokens
        if wanted < 0:
            raise InputError(f"answer_tokens must be at least 0. Got {wanted}.")
        question = self._question(read, instructions, wanted)
        with self._lock, captured(self.stack, self.blocks, layer) as found:
            decoded = self._run(read, instructions, question, asking, max(1, wanted), found)
        asked = found[0]  # (B, S, D), its last position is the first slot
        slots, predicted = decoded.slots.cpu().numpy(), decoded.ids.cpu().numpy()
        kept = slots & ~np.isin(predicted, self.special_ids)
        answers = self._words(predicted, kept) if wanted else [""] * len(read.texts)
        predicted = np.where(slots, predicted, -1)
        if not asking.prompt_states:
            return Answered(numbers(decoded.states), np.zeros_like(slots), slots, kept, slots, predicted, answers)
        prefix, prefix_mask = self._prefix_states(read, question.reused, layer)
        states = np.concatenate([prefix, numbers(asked[:, :-1]), numbers(decoded.states)], 1)
        prompt_mask = np.concatenate([prefix_mask, question.mask[:, :-1]], 1)
        none = np.zeros_like(prompt_mask)
        return Answered(
            states,
            np.concatenate([prompt_mask, np.zeros_like(slots)], 1),
            np.concatenate([none, slots], 1),
            np.concatenate([none, kept], 1),
            np.concatenate([prompt_mask, slots], 1),
            np.concatenate([np.full(none.shape, -1, np.int64), predicted], 1),
            answers,
        )

    @torch.inference_mode()
    def ask_many(self, read: CausalRead, instructions: Sequence[str], asking: Asking) -> list[Answered] | None:
        """Each of several questions to every text of a reading, in one pass; one Answered a question, in order.

        The questions stand behind the text one after the other, each with its own positions, and see the text and
        themselves: the text's cache is gone through once and the matrix products are larger. Gives the first slot
        only; None when more is asked for, or when the model's attention takes no mask of ours.
        """
        more = asking.words or asking.prompt_states or asking.answer_tokens != 0
        attention = getattr(self.model.config, "_attn_implementation", None)
        if more or attention not in ("sdpa", "eager") or self.model.config.model_type not in PACKABLE:
            return None
        questions = [self._question(read, [question] * len(read.texts), 0) for question in instructions]
        widths = [question.ids.shape[1] for question in questions]
        longest = np.max([question.reused for question in questions], axis=0)
        cache, _ = self._cache(read, longest)
        places = [np.where(q.mask, q.reused[:, None] + q.mask.cumsum(1) - 1, 0) for q in questions]
        layer = asking.layer % (self.layers + 1)
        with self._lock, captured(self.stack, self.blocks, layer) as found:
            self.stack(
                input_ids=self._tensor(np.concatenate([q.ids for q in questions], 1)),
                attention_mask=self._bias(_packed_mask(questions, int(longest.max(initial=0)))),
                position_ids=self._tensor(np.concatenate(places, 1)),
                past_key_values=cache,
                use_cache=True,
            )
        ends = np.cumsum(widths) - 1  # left padding: a question ends at its last column
        states = numbers(found[0][:, ends])  # (B, q, D)
        slot = np.ones((len(read.texts), 1), bool)
        none = np.full(slot.shape, -1, np.int64)
        words = [""] * len(read.texts)
        return [
            Answered(states[:, i : i + 1], ~slot, slot, slot.copy(), slot.copy(), none.copy(), words.copy())
            for i in range(len(questions))
        ]

    # --- steps ---------------------------------------------------------------------------------------------------

    def _bias(self, allowed: np.ndarray) -> torch.Tensor:
        """(B, S, K) -> (B, 1, S, K) to be added to attention scores; finite, so that a padded row stays a number."""
        mask = self._tensor(allowed, torch.bool)[:, None]
        zero = torch.zeros((), dtype=self.model.dtype, device=self.device)
        return torch.where(mask, zero, torch.finfo(self.model.dtype).min)

    def _question(self, read: CausalRead, instructions: Sequence[str], wanted: int) -> _Question:
        prompts = [
            self.prompts.prompt(text, instruction, wanted)[0]
            for text, instruction in zip(read.texts, instructions, strict=True)
        ]
        if self._capacity is not None and max(map(len, prompts)) + wanted > self._capacity:
            raise InputError(
                f"Prompt and answer must fit into the {self._capacity} positions of this model. "
                f"Got answer_tokens={wanted}; ask for fewer."
            )
        reused = np.array([_common(known, whole) for known, whole in zip(read.ids, prompts, strict=True)])
        rest = [whole[start:] for whole, start in zip(prompts, reused.tolist(), strict=True)]
        return _Question(reused, *padded(rest, self.pad_id, left=True))

    def _run(
        self,
        read: CausalRead,
        instructions: Sequence[str],
        question: _Question,
        asking: Asking,
        steps: int,
        found: list[torch.Tensor],
    ) -> Decoded:
        cache, known = self._cache(read, question.reused)
        attention = torch.cat([known, self._tensor(question.mask)], 1)
        lengths = self._tensor(question.reused + question.mask.sum(1))  # (B,), tokens of the whole prompt
        places = np.where(question.mask, question.reused[:, None] + question.mask.cumsum(1) - 1, 0)
        scores = self._feed(self._tensor(question.ids), attention, self._tensor(places), cache)

        def step(ids: torch.Tensor, live: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            nonlocal attention, lengths
            attention = torch.cat([attention, torch.ones_like(attention[:, :1])], 1)
            scores = self._feed(ids[:, None], attention, lengths[:, None], cache)
            lengths = lengths + live.long()
            return found.pop()[:, -1], scores

        return decode(
            found[0][:, -1],
            scores,
            step,
            steps=steps,
            stop_ids=self.stop_ids,
            sampled=draws(asking.sampling, read.texts, instructions, steps, self.device),
            least=2 if self.options.convention == "published" else 1,
        )

    def _feed(
        self, ids: torch.Tensor, attention: torch.Tensor, places: torch.Tensor, cache: DynamicCache
    ) -> torch.Tensor:
        """One pass; the scores (B, V) after the last position."""
        out = self.model(
            input_ids=ids,
            attention_mask=attention,
            position_ids=places,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        scores: torch.Tensor = out.logits[:, -1]
        return scores

    def _cache(self, read: CausalRead, reused: np.ndarray) -> tuple[DynamicCache, torch.Tensor]:
        """A cache of its own for one question, and which of its positions count (B, P)."""
        cache = DynamicCache()
        longest = int(reused.max(initial=0))
        if longest:
            cache.layers = [_layer(keys[:, :, :longest], values[:, :, :longest]) for keys, values in read.keys_values]
        return cache, self._tensor(np.arange(longest) < reused[:, None])

    def _prefix_states(self, read: CausalRead, reused: np.ndarray, layer: int) -> tuple[np.ndarray, np.ndarray]:
        """The reading's states that count (B, P, D), and where they are; inner layers take a second pass."""
        longest = int(reused.max(initial=0))
        mask = np.arange(longest) < reused[:, None]
        states = read.states
        if longest and layer != self.layers:
            rows, known = padded([row or [self.pad_id] for row in read.ids], self.pad_id)
            with self._lock:
                states, _ = self._prefix_pass(rows, known, layer)
        return numbers(states[:, :longest]), mask

    def _prefix_pass(self, ids: np.ndarray, mask: np.ndarray, layer: int) -> tuple[torch.Tensor, DynamicCache]:
        """Right-padded ids -> their states at a layer, and the cache."""
        places = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
        cache = DynamicCache()
        with captured(self.stack, self.blocks, layer) as found:
            self.stack(
                input_ids=self._tensor(ids),
                attention_mask=self._tensor(mask),
                position_ids=self._tensor(places.copy()),
                past_key_values=cache,
                use_cache=True,
            )
        return found[0], cache


def _packed_mask(questions: list[_Question], prefix: int) -> np.ndarray:
    """(B, S, prefix + S): a token sees the part of the text its question reuses, and its own question up to itself."""
    own = np.concatenate([question.mask for question in questions], 1)  # (B, S)
    segment = np.repeat(np.arange(len(questions)), [question.mask.shape[1] for question in questions])  # (S,)
    reused = np.stack([question.reused for question in questions], 1)[:, segment]  # (B, S)
    text = np.arange(prefix) < reused[..., None]
    place = np.arange(len(segment))
    behind = (segment[:, None] == segment) & (place[:, None] >= place)
    return np.concatenate([text, behind & own[:, None, :]], 2)


def _layer(keys: torch.Tensor, values: torch.Tensor) -> DynamicLayer:
    """A cache's layer that begins as a view of a reading; growing it makes a new tensor, so the reading stays."""
    layer = DynamicLayer()
    layer.lazy_initialization(keys, values)
    layer.keys, layer.values = keys, values
    return layer


def _common(known: list[int], whole: list[int]) -> int:
    """How many leading ids agree; at least one id is always left to compute."""
    limit = min(len(known), len(whole) - 1)
    return next((i for i in range(limit) if known[i] != whole[i]), max(limit, 0))
