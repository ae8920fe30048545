"""answerspace evaluate: models and baselines on sets with gold answers, in one table."""

from __future__ import annotations

import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from answerspace.cli import options as shared
from answerspace.cli.terminal import say, stoppable

BUNDLED = "bundled"
DEFAULT_SUITE = "written"


def command(
    ctx: typer.Context,
    suite: Annotated[
        list[str] | None,
        typer.Option(
            help="awareness, robustness, generic, multicriteria, instructions, written, inbedder-local, "
            "generic-local or corpora. Repeat for more."
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="The folder with the files of the suites; left out: read from the hub.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="A hub id or model folder, or 'bundled'. Repeat for more.")
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            help="minilm, minilm-prefix, minilm-suffix, random, st:NAME+prefix, instructor:NAME, http:MODEL@URL. "
            "Repeat for more."
        ),
    ] = None,
    protocol: Annotated[str, typer.Option(help="robust, or published: the authors' single k-means run.")] = "robust",
    seeds: Annotated[int | None, typer.Option(min=1, help="K-means seeds of the robust protocol (10).")] = None,
    wording_seeds: Annotated[
        int | None, typer.Option(min=1, help="K-means seeds per instruction of a wording list; left out: --seeds.")
    ] = None,
    centre: Annotated[bool, typer.Option("--centre", help="Take each question's mean vector out first.")] = False,
    task: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Only tasks of this name, such as 'wires.*'. Repeat.")
    ] = None,
    layer: Annotated[list[int] | None, typer.Option(help="A layer to try. Repeat to sweep.")] = None,
    aggregation: Annotated[
        list[str] | None, typer.Option(help="An aggregation to try, or reencode, reencode-10. Repeat to sweep.")
    ] = None,
    reencoder: Annotated[
        str, typer.Option(help="The sentence-transformers model that --aggregation reencode puts answers through.")
    ] = "sentence-transformers/all-MiniLM-L6-v2",
    filters: Annotated[str, typer.Option("--filter", help="off, on or both: stop words out of the answer.")] = "off",
    load: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A loading option: convention=published, dtype=bfloat16. Repeat."),
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="A folder for results.json and the tables; a stopped run goes on there.")
    ] = None,
    batch_size: shared.BatchSize = 32,
    threads: Annotated[
        int | None, typer.Option(min=1, help="K-means seeds side by side; left out: every core.")
    ] = None,
    quiet: shared.Quiet = False,
) -> None:
    """Score models and baselines side by side; every number with its spread and its protocol.

    answerspace evaluate --suite written --data DIR

    answerspace evaluate --suite written --suite inbedder-local --suite generic-local --data DIR --model runs/mine
    --baseline minilm --baseline minilm-prefix --seeds 3 --output scores

    answerspace evaluate --suite awareness --model roberta-large-inbedder --protocol published
    --load convention=published

    Published numbers stand in columns of their own. The baselines need the eval extra; a key for an http baseline is
    read from OPENAI_API_KEY.
    """
    from answerspace.evaluation.encoders.contenders import baseline as named
    from answerspace.evaluation.encoders.contenders import load_options
    from answerspace.evaluation.encoders.contenders import models as varied
    from answerspace.evaluation.page import write_page
    from answerspace.evaluation.protocol import make_protocol
    from answerspace.evaluation.run import evaluate
    from answerspace.evaluation.suites import select_tasks
    from answerspace.evaluation.tables import markdown, write_tables
    from answerspace.evaluation.tasks.rows import Data

    chosen = make_protocol(protocol, seeds=seeds, wording_seeds=wording_seeds, centre=centre)
    names = model or ([] if baseline else [BUNDLED])
    loader = partial(ctx.obj, **load_options(load)) if load else ctx.obj
    contenders = varied(
        names,
        loader,
        layers=layer or [],
        aggregations=aggregation or [],
        filters=filters,
        reencoder=reencoder,
        batch_size=batch_size,
    )
    contenders += [named(word, key=os.environ.get("OPENAI_API_KEY", "")) for word in baseline or []]
    folder = Data(data)
    tasks = select_tasks(suite or [DEFAULT_SUITE], folder, only=task or [])
    kept = "Nothing was written." if output is None else f"What was computed is in {output}/.work; the same command "
    with stoppable(kept if output is None else f"{kept}goes on."):
        found = evaluate(
            contenders,
            tasks,
            folder,
            chosen,
            output=None if output is None else Path(output),
            facts={"data": data or "hub", "command": shlex.join(["answerspace", *sys.argv[1:]])},
            threads=threads,
            tell=(lambda note: None) if quiet else say,
            show_progress=not quiet,
        )
    typer.echo(markdown(found), nl=False)
    for path in [] if output is None else [*write_tables(found, Path(output)), *write_page(found, output, tell=say)]:
        typer.echo(f"Wrote {path}")
