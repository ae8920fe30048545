"""The model card of a fine-tuned language model, written from the run itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import torch
import transformers

from answerspace import __version__
from answerspace.training.language_recipe import LanguageRecipe

CARD = """---
base_model: {base}
{datasets}tags: [instruction-following, sentence-similarity, answerspace]
---
# {name}

Embeds a text by the answer it would give to a question (InBedder, arXiv 2402.09642): {base}, fine-tuned to answer
questions about texts in a few words.

Use: `Embedder.load("FOLDER")` from `answerspace`; template, truncation, aggregation ({aggregation}) and length are
saved with it.

## How it was made
{rows:,} rows of `{source}`, {dev:,} rows held apart. {steps:,} steps of {batch} rows ({epochs:.2f} passes) on
{processes} {device}, {minutes:.1f} minutes in the last sitting. Trained: {trained:,} of {parameters:,} parameters{how}.
{words}

| score on held-apart rows | |
|---|---|
{scores}

"loss" is the mean cross-entropy of answer tokens; "retrieval" is how often the nearest row about another text has the
same answer, among rows that have such a partner.

## Recipe
{recipe}

answerspace {version}, transformers {transformers}, torch {torch}.

## Limits
No score above is a benchmark result. The model repeats the biases of its base model and its data; see their cards,
and their licences, which hold for this model too.
"""


class RunFacts(NamedTuple):
    """What a run knows when it is over; ``seconds`` are those of the last sitting, ``device`` is "cpu" or "cuda"."""

    source: str
    rows: int
    dev_rows: int
    steps: int
    epochs: float
    batch: int
    processes: int
    device: str
    seconds: float
    trained: int
    parameters: int
    scores: Mapping[str, float]


def language_card(recipe: LanguageRecipe, facts: RunFacts, name: str) -> str:
    """The card as Markdown."""
    on_hub = not Path(facts.source).exists() and facts.source.count("/") == 1
    settings = asdict(recipe)
    lines = [f"- {key}: {value}" for key, value in _flat(settings)]
    return CARD.format(
        name=name,
        base=Path(recipe.base).name if Path(recipe.base).is_dir() else recipe.base,
        datasets=f"datasets: [{facts.source.partition(':')[0]}]\n" if on_hub else "",
        aggregation=recipe.aggregation,
        rows=facts.rows,
        source=facts.source if on_hub else Path(facts.source).name,
        dev=facts.dev_rows,
        steps=facts.steps,
        batch=facts.batch,
        epochs=facts.epochs,
        processes=facts.processes,
        device=facts.device + (" process" if facts.processes == 1 else " processes"),
        minutes=facts.seconds / 60,
        trained=facts.trained,
        parameters=facts.parameters,
        how="" if recipe.lora is None else f" (LoRA of rank {recipe.lora.rank}, merged)",
        words="English stop words were removed from the answers." if recipe.data.remove_stop_words else "",
        scores="\n".join(f"| {key} | {value:.4f} |" for key, value in facts.scores.items()) or "| none | |",
        recipe="\n".join(lines),
        version=__version__,
        transformers=transformers.__version__,
        torch=torch.__version__,
    )


def _flat(values: Mapping[str, object], before: str = "") -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for key, value in values.items():
        if isinstance(value, dict):
            found += _flat(value, f"{before}{key}.")
        elif value is not None and not (before + key).startswith("data.source"):
            found.append((before + key, value))
    return found
