"""The paper's formulas, row by row: one prompt at a time, no cache, no padding, every layer's states at hand.

Written from arXiv 2402.09642 §3.2 and the authors' code (zhang-yu-wei/InBedder, commit 3d95d4fa); slow on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from answerspace.prompts import INBEDDER


@dataclass
class Row:
    """``prompt`` states h^1..h^(N-1) or the encoder's, ``slots`` states that predict ``tokens``, ``rest`` others."""

    prompt: np.ndarray
    slots: np.ndarray
    tokens: list[int]
    kept: list[bool]
    rest: np.ndarray

    def aggregate(self, name: str) -> np.ndarray:
        """Our convention: an empty answer is its first slot."""
        chosen = [slot for slot, kept in zip(self.slots, self.kept, strict=True) if kept] or [self.slots[0]]
        every = {
            "mean_prompt": list(self.prompt),
            "mean_answer": chosen,
            "first_answer": [self.slots[0]],
            "last_answer": [chosen[-1]],
            "mean_all": [*self.prompt, *chosen],
        }
        return np.mean(every[name], axis=0)


@torch.inference_mode()
def reference(model: Any, tokenizer: Any, text: str, question: str, layer: int, steps: int) -> Row:
    """One text under the InBedder template, greedy; the kind of model is read off its class."""
    name = type(model).__name__
    ids = tokenizer(INBEDDER.render(text, question))["input_ids"]
    special = set(tokenizer.all_special_ids)
    if "<mask>" in tokenizer.get_vocab():
        special.add(tokenizer.convert_tokens_to_ids("<mask>"))
    if name.endswith("MaskedLM"):
        return _masked(model, tokenizer, ids, special, layer, steps)
    if name.endswith("ConditionalGeneration"):
        return _seq2seq(model, tokenizer, ids, special, layer, steps)
    return _causal(model, tokenizer, ids, special, layer, steps)


def _causal(model: Any, tokenizer: Any, ids: list[int], special: set[int], layer: int, steps: int) -> Row:
    n, tokens = len(ids), []
    for _ in range(steps):
        out = model(torch.tensor([ids + tokens]), output_hidden_states=True)
        tokens.append(int(out.logits[0, -1].argmax()))
        if tokens[-1] == tokenizer.eos_token_id:
            break
    states = out.hidden_states[layer][0].numpy()
    kept = [token not in special for token in tokens]
    return Row(states[: n - 1], states[n - 1 :], tokens, kept, states[:0])


def _masked(model: Any, tokenizer: Any, ids: list[int], special: set[int], layer: int, masks: int) -> Row:
    n = len(ids) - 1
    whole = [*ids[:-1], *[tokenizer.mask_token_id] * masks, ids[-1]]
    out = model(torch.tensor([whole]), output_hidden_states=True)
    states = out.hidden_states[layer][0].numpy()
    tokens = out.logits[0, n : n + masks].argmax(-1).tolist()
    return Row(states[:n], states[n : n + masks], tokens, [t not in special for t in tokens], states[n + masks :])


def _seq2seq(model: Any, tokenizer: Any, ids: list[int], special: set[int], layer: int, steps: int) -> Row:
    config, forced = model.config, model.generation_config.forced_bos_token_id
    opening = [config.decoder_start_token_id] + ([] if forced is None else [forced])
    tokens: list[int] = []
    for _ in range(steps):
        decoder = torch.tensor([opening + tokens])
        out = model(torch.tensor([ids]), decoder_input_ids=decoder, output_hidden_states=True)
        tokens.append(int(out.logits[0, -1].argmax()))
        if tokens[-1] == tokenizer.eos_token_id:
            break
    count = len(out.encoder_hidden_states) - 1
    last = layer == len(out.decoder_hidden_states) - 1
    prompt = out.encoder_hidden_states[count if last else min(layer, count)][0].numpy()
    slots = out.decoder_hidden_states[layer][0].numpy()[len(opening) - 1 :]
    return Row(prompt, slots, tokens, [t not in special for t in tokens], slots[:0])
