"""answerspace evaluate: models and baselines on sets with gold answers, in one table."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from answerspace.cli import options as shared
from answerspace.cli.terminal import say, stoppable

BUNDLED = "bundled"


class Suite(StrEnum):
    """The kinds of folder that can be evaluated on."""

    written = "written"


def command(
    ctx: typer.Context,
    suite: Annotated[Suite, typer.Argument(help="What --data holds.")],
    data: Annotated[str, typer.Option(help="The folder with criteria.json, the pairs, the triplets, the corpora.")],
    published: Annotated[str | None, typer.Option(help="A folder with fewrel, fewnerd and feedbacks .jsonl.")] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="A hub id or model folder, or 'bundled'. Repeat for more.")
    ] = None,
    baseline: Annotated[
        list[str] | None, typer.Option(help="minilm, minilm-prefix, minilm-suffix or random. Repeat for more.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="K-means runs per criterion.")] = 10,
    centre: Annotated[bool, typer.Option("--centre", help="Take each question's mean vector out first.")] = False,
    output: Annotated[str | None, typer.Option(help="A folder for scores.md and scores.json.")] = None,
    quiet: shared.Quiet = False,
) -> None:
    """Score models and baselines: triplets, pairs, V-measure by criterion. The baselines need the eval extra.

    answerspace evaluate written --data DIR

    answerspace evaluate written --data DIR --model runs/mine --baseline minilm --output scores
    """
    from answerspace.evaluation.baselines import check_baseline, make_baseline
    from answerspace.evaluation.comparison import compare
    from answerspace.evaluation.published import read_published
    from answerspace.evaluation.score_table import report_table, write_table
    from answerspace.evaluation.written import read_written

    models = model or ([] if baseline else [BUNDLED])
    encoders = {name: partial(ctx.obj, None if name == BUNDLED else name) for name in models}
    encoders |= {check_baseline(name): partial(make_baseline, name) for name in baseline or []}
    tests = read_written(data)
    sets = read_published(published) if published else []
    with stoppable("Nothing was written."):
        tell = (lambda note: None) if quiet else say
        scores = compare(encoders, tests, sets, seeds=seeds, centre=centre, tell=tell)
    typer.echo(report_table(scores), nl=False)
    if output is not None:
        facts = {"data": data, "seeds": str(seeds), "centred": "yes, pairs excepted" if centre else "no"}
        for path in write_table(scores, facts, Path(output)):
            typer.echo(f"Wrote {path}")
