"""Masked language models (RoBERTa, BERT, ...): the answer is predicted in m mask slots, all at once.

Every state looks both ways, so a reading holds nothing but the texts and each question costs a full pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from answerspace.answers import Answered, Asking
from answerspace.backbones.layer_states import captured
from answerspace.backbones.prompt_tokens import PromptOptions, PromptTokens
from answerspace.backbones.torch_model import TorchModel, capacity, numbers, padded
from answerspace.errors import InputError, ModelError


class MaskedBackbone(TorchModel):
    """Asks a masked LM: ``<s> prompt <mask> x masks </s>`` in one pass.

    The mask and special tokens are put in as ids; a text that contains "<mask>" is plain text. Prompt states are all
    but the masks and the separators (the opening token counts as prompt, as in the authors' code).
    """

    kind = "masked"

    def __init__(self, model: Any, tokenizer: Any, options: PromptOptions | None = None, *, masks: int = 3) -> None:
        if masks < 1:
            raise InputError(f"masks must be at least 1. Got {masks}.")
        if tokenizer.mask_token_id is None:
            raise ModelError("A masked model's tokenizer must have a mask token. This one has none.")
        super().__init__(model, tokenizer, options or PromptOptions(), model.base_model)
        self.masks = masks
        self.fingerprint += f"-{masks}"
        self.prompts = PromptTokens(tokenizer, self.options, capacity=capacity(model), slots=masks)
        self.max_length = self.prompts.max_length

    def read(self, texts: Sequence[str]) -> list[str]:
        """The texts themselves: there is nothing to keep before the question is known."""
        return list(texts)

    @torch.inference_mode()
    def ask(self, read: list[str], instructions: Sequence[str], asking: Asking) -> Answered:
        """One pass over texts and instructions. ``answer_tokens`` and ``sampling`` do not apply to mask slots."""
        layer = asking.layer % (self.layers + 1)
        # 1) ids
        prompts = [self.prompts.prompt(text, question) for text, question in zip(read, instructions, strict=True)]
        answer = [self.tokenizer.mask_token_id] * self.masks
        ids, mask = padded([[*before, *answer, *after] for before, after in prompts], self.pad_id)
        starts = np.array([len(before) for before, _ in prompts])
        places = starts[:, None] + np.arange(self.masks)  # (B, m)
        inputs = {"input_ids": self._tensor(ids), "attention_mask": self._tensor(mask)}
        if "token_type_ids" in self.tokenizer.model_input_names:
            inputs["token_type_ids"] = self._tensor(self._segments(prompts, ids.shape))
        # 2) states
        with self._lock:
            with (
                captured(self.stack, self.blocks, layer) as found,
                captured(self.stack, self.blocks, self.layers) as top,
            ):
                self.stack(**inputs)
            rows = torch.arange(len(ids), device=self.device)[:, None]
            slots = top[0][rows, self._tensor(places)]  # (B, m, D)
            predicted = self._scores(slots.flatten(0, 1)).argmax(-1).view(slots.shape[:2]).cpu().numpy()
        states = found[0]
        # 3) masks
        if not asking.prompt_states:
            kept = ~np.isin(predicted, self.special_ids)
            every = np.ones_like(kept)
            words = self._words(predicted, kept)
            chosen = numbers(states[rows, self._tensor(places)])
            return Answered(chosen, ~every, every, kept, every, predicted, words)
        slot_mask = np.zeros_like(mask)
        np.put_along_axis(slot_mask, places, True, axis=1)
        at_slots = np.full(mask.shape, -1, np.int64)
        np.put_along_axis(at_slots, places, predicted, axis=1)
        answer_mask = slot_mask & ~np.isin(at_slots, self.special_ids)
        separators = np.array([*self.prompts.frame.between, *self.prompts.frame.after], np.int64)
        prompt_mask = mask & ~slot_mask & ~np.isin(ids, separators)
        words = self._words(at_slots, answer_mask)
        return Answered(numbers(states), prompt_mask, slot_mask, answer_mask, mask, at_slots, words)

    def _segments(self, prompts: list[tuple[list[int], list[int]]], shape: tuple[int, ...]) -> np.ndarray:
        rows = [self.prompts.segments(before, self.masks + len(after)) for before, after in prompts]
        return padded(rows, 0)[0].reshape(shape)
