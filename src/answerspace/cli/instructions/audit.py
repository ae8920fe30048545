"""answerspace instructions audit: what a set asks for, how often, and what is there twice."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from answerspace.cli import options as shared
from answerspace.cli.instructions import options
from answerspace.cli.terminal import one_line, stoppable

TASKS_SHOWN = 10


def command(
    ctx: typer.Context,
    file: options.File,
    output: Annotated[str, typer.Option(help="A folder: report.html, tasks.csv, instructions.csv, summary.json.")],
    reference: Annotated[
        str | None, typer.Option(help="A set to compare with: a task is over-represented if it is more frequent here.")
    ] = None,
    threshold: Annotated[float, typer.Option(help="The overlap from which texts are near-duplicates.")] = 0.8,
    labels: Annotated[
        str | None, typer.Option(help="The field that holds task labels; left out: the parser's are taken.")
    ] = None,
    by: options.By = "task",
    cache: shared.Cache = None,
    field: options.Field = None,
    limit: shared.Limit = None,
    language: options.Language = "en",
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that holds other files.")] = False,
    seed: options.Seed = 0,
    quiet: shared.Quiet = False,
) -> None:
    """Show what an instruction set asks for: its tasks, which are over-represented, what is there twice; and a map.

    answerspace instructions audit alpaca_data.json --output audit

    answerspace instructions audit mine.jsonl --reference alpaca_data.json --output audit
    """
    from answerspace.instructions import audit as auditing
    from answerspace.instructions import task_space
    from answerspace.instructions.duplicates import find_duplicates
    from answerspace.output_folder import OutputFolder

    pool = options.read_set(file, field, limit, quiet)
    other = None if reference is None else options.read_set(reference, None, None, quiet)
    folder = OutputFolder(output, force=force)
    with stoppable(f"What was computed is kept in {folder.path}; run the same command again to go on."):
        duplicates = find_duplicates(task_space.compared_texts(pool), threshold, show_progress=not quiet)
        extractor = options.extractor(language, quiet)
        tasks = task_space.find_tasks(pool, extractor, field=labels, other=other)
        encoder = options.encoder(ctx, by, cache, extractor, folder.store())
        [vectors] = task_space.task_vectors(encoder, pool.texts, show_progress=not quiet)
        found = auditing.audit(
            pool,
            tasks.labels,
            vectors,
            duplicates,
            steps=tasks.steps,
            reference=None if other is None else (other.name, tasks.other),
            facts={"Tasks told apart by": by, "Task labels": labels or f"the parser's ({language})"},
            seed=seed,
        )
    _print_audit(found)
    for path in auditing.write_audit(found, folder.path):
        typer.echo(f"Wrote {path}")


def _print_audit(found: Any) -> None:
    for name, value in found.result.facts.items():
        typer.echo(f"{name}: {value}")
    for task in found.tasks[:TASKS_SHOWN]:
        mark = f"  {task.times:.1f} times the expected share" if task.over else ""
        typer.echo(f"{task.count:7,}  {100 * task.share:5.1f} %  {one_line(task.task, 50)}{mark}")
