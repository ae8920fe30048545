"""The model card, written from the run itself."""

from __future__ import annotations

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

{provenance}; texts per source:

{sources}

```toml
{recipe}```

## Limits
Short answers (three slots) and short texts (128 tokens in training). Criteria that must be inferred (a writer's
purpose, a text's audience) are its weak side; exact figures are not reliable. It repeats the biases of its sources,
some of which contain offensive language.
"""


OURS = 'Trained on sources of class "open" only and on questions and answers written for the project'


def card(
    name: str,
    recipe: str,
    rows: Rows,
    state: State,
    scores: dict[str, float],
    *,
    source: str | None = None,
    teacher: str | None = None,
) -> str:
    """The card as Markdown. ``recipe`` is the TOML text; ``source`` the user's own data, ``teacher`` who taught."""
    sources = sorted(rows.train.items(), key=lambda item: -len(item[1]))
    provenance = OURS if source is None else f"Trained on rows of `{source}`"
    if teacher is not None:
        provenance += f", and on the vectors of the teacher `{teacher}` (section distil below)"
    return CARD.format(
        name=name,
        steps=state.step,
        questions=state.questions,
        minutes=state.seconds / 60,
        dev_texts=len(rows.dev),
        scores=", ".join(f"{name} {value}" for name, value in scores.items()) or "none",
        provenance=provenance,
        sources=", ".join(f"{source} {len(texts):,}" for source, texts in sources),
        recipe=recipe,
    )
