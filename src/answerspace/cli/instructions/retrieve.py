"""answerspace instructions retrieve: demonstrations for new instructions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from answerspace.cli import options as shared
from answerspace.cli.instructions import options
from answerspace.cli.terminal import one_line, stoppable
from answerspace.errors import InputError

if TYPE_CHECKING:
    from answerspace.instructions.task_space import RememberedLabels


def command(
    ctx: typer.Context,
    file: options.File,
    instruction: Annotated[list[str] | None, typer.Option(help="A new instruction. Repeat for more.")] = None,
    queries: Annotated[str | None, typer.Option(help="A file of new instructions.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Demonstrations for each.")] = 4,
    output: Annotated[
        str | None, typer.Option(help="The demonstrations as they were read, with query, rank and cosine, as .jsonl.")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="A field of FILE with task labels: print the precision at k, beside TF-IDF's."),
    ] = None,
    by: options.By = "task",
    cache: shared.Cache = None,
    field: options.Field = None,
    limit: shared.Limit = None,
    language: options.Language = "en",
    quiet: shared.Quiet = False,
) -> None:
    """Find demonstrations for new instructions: the pool's instructions that ask for the most similar task.

    answerspace instructions retrieve pool.jsonl --instruction "Write a haiku about rain" --top 4

    answerspace instructions retrieve pool.jsonl --queries new.jsonl --output demonstrations.jsonl
    """
    from answerspace.instructions import retrieval, task_space

    if output is not None:
        task_space.checked_json_lines(output)
    if not (instruction or queries or labels):
        raise InputError("There must be something to retrieve for: give --instruction, --queries or --labels.")
    pool = task_space.distinct_instructions(options.read_set(file, field, limit, quiet))
    asked = [*(instruction or []), *(options.read_set(queries, None, None, quiet).texts if queries else [])]
    if any(not text.strip() for text in asked):
        raise InputError("--instruction must hold words. Got an empty one.")
    rows = pool.rows
    gold = None if labels is None else task_space.field_labels(rows, labels)
    with stoppable(options.kept(cache)):
        extractor = options.extractor(language, quiet)
        encoder = options.encoder(ctx, by, cache, extractor)
        stored, new = task_space.task_vectors(encoder, pool.texts, asked, show_progress=not quiet)
        if gold is not None:
            _print_precision(ctx, by, pool.texts, gold, stored, extractor)
        if not asked:
            return
        found = retrieval.retrieve(new, stored, top)
    written: list[dict[str, Any]] = []
    for query, places, cosines in zip(asked, found.rows.tolist(), found.cosines.tolist(), strict=True):
        if output is None:
            typer.echo(one_line(query))
        for rank, (place, cosine) in enumerate(zip(places, cosines, strict=True), 1):
            if output is None:
                typer.echo(f"{cosine:8.3f}  row {rows[place].row}: {one_line(rows[place].text, 90)}")
            written.append({"query": query, "rank": rank, "cosine": round(cosine, 4)})
    if output is not None:
        task_space.write_rows([rows[place] for places in found.rows.tolist() for place in places], output, written)
        typer.echo(f"Wrote {output}")


def _print_precision(
    ctx: typer.Context, by: str, texts: list[str], gold: list[str], vectors: Any, extractor: RememberedLabels
) -> None:
    from answerspace.instructions.retrieval import precision_at
    from answerspace.instructions.task_space import task_vectors

    rows = {by: vectors}
    for name in ("tfidf-words", "tfidf-characters"):
        if name != by:
            [rows[name]] = task_vectors(options.encoder(ctx, name, None, extractor), texts)
    scores = {name: precision_at(one, gold) for name, one in rows.items()}
    ks = list(scores[by])
    typer.echo("| | " + " | ".join(f"precision@{k}" for k in ks) + " |\n|---|" + "---|" * len(ks))
    for name, found in scores.items():
        typer.echo(f"| {name} | " + " | ".join(f"{found[k]:.3f}" for k in ks) + " |")
