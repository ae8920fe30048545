"""The algorithm of the InBedder authors' published code, written anew from its description: the baseline.

What it does, and what we do not: it sorts by length in fixed batches, tokenises every prompt as a whole, generates with
the hidden states and scores of every step kept (a masked model runs its head over every position), and then copies
every layer of every row to the processor one by one, averages it there and keeps all layers. Equal texts are computed
each time, every question reads every text again.

The vectors are those of ``convention="published"``: 1st-gen for a causal model, the mean of the mask states for a
masked one, last layer, no normalisation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

TEMPLATE = "### Input:\n{input}\n\n### Instruction:\n{instruction}\n\n### Response:"
MAX_LENGTH = 512


def prompts_of(texts: list[str], instruction: str) -> list[str]:
    """By string replacement, as published."""
    return [TEMPLATE.replace("{input}", text).replace("{instruction}", instruction) for text in texts]


def batches(prompts: list[str], batch_size: int) -> list[list[int]]:
    """Row numbers of fixed batches, longest prompts first."""
    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


@torch.inference_mode()
def masked_vectors(
    model: Any, tokenizer: Any, texts: list[str], instruction: str, *, batch_size: int = 128, masks: int = 3
) -> np.ndarray:
    """(n, layers + 1, D): the mean of the mask states at every layer."""
    prompts = [prompt + tokenizer.mask_token * masks for prompt in prompts_of(texts, instruction)]
    found: list[np.ndarray | None] = [None] * len(prompts)
    for batch in batches(prompts, batch_size):
        inputs = _tokenised(tokenizer, [prompts[i] for i in batch], model.device)
        hidden = model(**inputs, output_hidden_states=True).hidden_states
        for row, i in enumerate(batch):
            at_masks = inputs["input_ids"][row] == tokenizer.mask_token_id
            layers = []
            for states in hidden:
                layers.append(states[row][at_masks].cpu().float().mean(0).numpy())
            found[i] = np.stack(layers)
    return np.stack(found)


@torch.inference_mode()
def causal_vectors(
    model: Any, tokenizer: Any, texts: list[str], instruction: str, *, batch_size: int = 64, new_tokens: int = 20
) -> dict[str, np.ndarray]:
    """name of an aggregation -> (n, layers + 1, D). All are made in every call; ``first_answer`` is 1st-gen."""
    prompts = prompts_of(texts, instruction)
    tokenizer.padding_side = "left"
    found: list[dict[str, np.ndarray] | None] = [None] * len(prompts)
    for batch in batches(prompts, batch_size):
        inputs = _tokenised(tokenizer, [prompts[i] for i in batch], model.device)
        made = model.generate(
            **inputs, do_sample=False, max_new_tokens=new_tokens, min_new_tokens=2, return_dict_in_generate=True,
            output_hidden_states=True, output_scores=True, pad_token_id=tokenizer.pad_token_id,
        )  # fmt: skip
        width = inputs["input_ids"].shape[1]
        answers = made.sequences[:, width:]
        for row, i in enumerate(batch):
            found[i] = _causal_row(
                made.hidden_states, inputs["attention_mask"][row].bool(), answers[row], row, tokenizer
            )
    names = found[0] or {}
    return {name: np.stack([one[name] for one in found if one is not None]) for name in names}


def _causal_row(
    steps: Any, mask: torch.Tensor, answer: torch.Tensor, row: int, tokenizer: Any
) -> dict[str, np.ndarray]:
    """One row's vectors: every layer of its prompt and of every step, copied one by one."""
    special = set(tokenizer.all_special_ids)
    layers: dict[str, list[np.ndarray]] = {"first_answer": [], "mean_prompt": [], "mean_answer": []}
    for layer in range(len(steps[0])):
        prompt = steps[0][layer][row][mask].cpu().float()
        first = prompt[-1]
        later = [
            steps[k][layer][row][-1].cpu().float()
            for k in range(1, len(steps))
            if k < len(answer) and int(answer[k]) not in special
        ]
        later = later or [steps[1][layer][row][-1].cpu().float()]
        layers["first_answer"].append(first.numpy())
        layers["mean_prompt"].append(prompt[:-1].mean(0).numpy())
        layers["mean_answer"].append(torch.stack([first, *later]).mean(0).numpy())
    return {name: np.stack(rows) for name, rows in layers.items()}


def _tokenised(tokenizer: Any, prompts: list[str], device: Any) -> Any:
    tokenizer.truncation_side = "left"
    found = tokenizer(prompts, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt")
    return found.to(device)
