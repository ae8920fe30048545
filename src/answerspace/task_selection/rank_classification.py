"""Evaluation of a trained model on a target task: rank classification and ROUGE-L, as INSTA evaluates.

Rank classification takes the choice with the highest summed log-probability, without length normalisation. The
target's mask is never given to the decoder (the published generation run passes it; reference: INSTA's code).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from answerspace.errors import InputError

Numbers = npt.NDArray[np.float64]
IGNORED = -100


def choice_scores(
    model: Any, tokenizer: Any, prompts: Sequence[str], choices: Sequence[str], *, max_length: int = 768
) -> Numbers:
    """(prompts, choices) summed log-probability of each choice after each prompt, by a seq2seq or causal model."""
    import torch

    rows = []
    model.eval()
    with torch.no_grad():
        for prompt in prompts:
            rows.append([_log_probability(model, tokenizer, prompt, choice, max_length) for choice in choices])
    return np.array(rows, np.float64).reshape(len(prompts), len(choices))


def rank_accuracy(scores: Numbers, choices: Sequence[str], answers: Sequence[str]) -> float:
    """Share of rows whose best choice (n, c) is the answer; ties go to the earlier choice."""
    return float(np.mean([choices[i] == answer for i, answer in zip(scores.argmax(1), answers, strict=True)]))


@dataclass(frozen=True)
class TargetScores:
    """What a trained model does on a target: ``accuracy`` by rank classification (None without labels), ``rouge_l``."""

    accuracy: float | None
    rouge_l: float
    examples: int


def judge_model(
    backbone: Any, instruction: str, examples: Sequence[tuple[str, str]], choices: Sequence[str] = ()
) -> TargetScores:
    """Rank classification over the choices, and ROUGE-L of the chosen or, without choices, of greedy answers.

    ``backbone`` is a causal or encoder-decoder backbone of ``Embedder.load``, which knows the prompt its model was
    trained with. InputError for a model that writes no text.
    """
    if backbone.kind not in ("causal", "seq2seq"):
        raise InputError(f"Only causal and encoder-decoder models can be judged. Got a {backbone.kind} model.")
    if not examples:
        raise InputError("The target must have at least one example. Got none.")
    prompts = [backbone.options.template.render(text, instruction) for text, _ in examples]
    answers = [answer for _, answer in examples]
    if choices:
        scores = choice_scores(backbone.model, backbone.tokenizer, prompts, choices)
        said = [choices[i] for i in scores.argmax(1)]
        accuracy = rank_accuracy(scores, choices, answers)
    else:
        said, accuracy = generated_answers(backbone.model, backbone.tokenizer, prompts), None
    mean = float(np.mean([rouge_l(a, b) for a, b in zip(said, answers, strict=True)]))
    return TargetScores(accuracy, mean, len(answers))


def rouge_l(prediction: str, reference: str) -> float:
    """ROUGE-L F-measure between 0 and 1 on lower-case words of letters and digits, no stemming (Lin 2004)."""
    said, wanted = (re.findall(r"[a-z0-9]+", text.lower()) for text in (prediction, reference))
    if not said or not wanted:
        return 0.0
    row = np.zeros(len(wanted) + 1, int)
    for word in said:
        before = row.copy()
        for j, other in enumerate(wanted, 1):
            row[j] = before[j - 1] + 1 if word == other else max(row[j - 1], before[j])
    common = int(row[-1])
    return 2 * common / (len(said) + len(wanted)) if common else 0.0


def generated_answers(
    model: Any, tokenizer: Any, prompts: Sequence[str], *, answer_tokens: int = 32, max_length: int = 768
) -> list[str]:
    """Greedy answers, one prompt at a time, for ROUGE-L."""
    import torch

    answers = []
    model.eval()
    with torch.no_grad():
        for prompt in prompts:
            inputs = tokenizer(prompt, return_tensors="pt", truncation=True, max_length=max_length)
            inputs.pop("token_type_ids", None)
            made = model.generate(**inputs, max_new_tokens=answer_tokens, do_sample=False)[0]
            if not model.config.is_encoder_decoder:
                made = made[inputs["input_ids"].shape[1] :]
            answers.append(tokenizer.decode(made, skip_special_tokens=True).strip())
    return answers


def _log_probability(model: Any, tokenizer: Any, prompt: str, choice: str, max_length: int) -> float:
    import torch

    prompt_ids = tokenizer(prompt, truncation=True, max_length=max_length)["input_ids"]
    if model.config.is_encoder_decoder:
        labels = torch.tensor([tokenizer(text_target=choice)["input_ids"]])
        loss = model(input_ids=torch.tensor([prompt_ids]), labels=labels).loss
        return -float(loss) * labels.shape[1]
    choice_ids = tokenizer(" " + choice.strip(), add_special_tokens=False)["input_ids"]
    ids = torch.tensor([[*prompt_ids, *choice_ids]])
    labels = torch.tensor([[IGNORED] * len(prompt_ids) + choice_ids])
    return -float(model(input_ids=ids, labels=labels).loss) * len(choice_ids)
