"""The model card, written from the run itself."""

from __future__ import annotations

from pathlib import Path

from answerspace.training.rows import Rows
from answerspace.training.state import State

CARD = """---
license: apache-2.0
base_model: sentence-transformers/all-MiniLM-L6-v2
tags: [sentence-similarity, instruction-following, answerspace]
---
# The answerspace bundled model

Embeds a text by the answer it would give to a question. A text is read once, without the question; a question is
then a pass of its own few tokens. English. Reader: all-MiniLM-L6-v2 (Apache-2.0), unchanged but for half precision;
asker: six blocks that start as a copy of the reader, a projection and a word head (11.0M parameters trained, 33.5M in
the file, 11.7M of them word vectors).

Use: `pip install answerspace`, then `Embedder.load()`.

## How it was made
`answerspace train {name}` (the recipe follows). {steps:,} steps, {questions:,} questions, {minutes:.0f} minutes of
training time. On {dev_texts:,} held-apart texts: {scores}.

Trained on sources of class "open" only and on questions and answers written for the project; texts per source:

{sources}

```toml
{recipe}```

## Limits
Short answers (three slots) and short texts (128 tokens in training). Criteria that must be inferred (a writer's
purpose, a text's audience) are its weak side; exact figures are not reliable. It repeats the biases of its sources,
some of which contain offensive language.
"""


def card(recipe_path: Path, rows: Rows, state: State, scores: dict[str, float]) -> str:
    """The card as Markdown."""
    sources = sorted(rows.train.items(), key=lambda item: -len(item[1]))
    return CARD.format(
        name=recipe_path.name,
        steps=state.step,
        questions=state.questions,
        minutes=state.seconds / 60,
        dev_texts=len(rows.dev),
        scores=", ".join(f"{name} {value}" for name, value in scores.items()) or "none",
        sources=", ".join(f"{source} {len(texts):,}" for source, texts in sources),
        recipe=recipe_path.read_text("utf-8"),
    )
