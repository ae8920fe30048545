"""What instruction sets are used for by task: the commands of COMMANDS under ``answerspace instructions``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from answerspace.cli import options as shared
from answerspace.cli.terminal import one_line, say, stoppable
from answerspace.errors import InputError

if TYPE_CHECKING:
    from answerspace.answer_store import AnswerStore
    from answerspace.embedder import Embedder
    from answerspace.instructions.instruction_files import InstructionSet
    from answerspace.instructions.task_space import RememberedLabels
    from answerspace.protocols import Encoder

File = Annotated[
    str, typer.Argument(metavar="FILE", help="Alpaca JSON, JSON Lines, Parquet, chat messages, CSV or plain lines.")
]
Field = Annotated[str | None, typer.Option(help="The field that holds the instruction; left out: it is looked for.")]
Language = Annotated[str, typer.Option(help="The language of the instructions: en.")]
By = Annotated[
    str,
    typer.Option(
        help="What tells tasks apart: task, bundled, all-MiniLM, parser-only, tfidf-words, tfidf-characters, "
        "tfidf-first-8-words, or a hub id or folder for PIE."
    ),
]
Seed = Annotated[int, typer.Option(help="The same seed gives the same result.")]
Gold = Annotated[
    str | None, typer.Option("--labels", help="The field that holds task labels; left out: the parser's are taken.")
]
SHOWN = 10


def select(
    ctx: typer.Context,
    file: File,
    output: Annotated[str, typer.Option(help="The chosen rows as they were read, as .jsonl.")],
    count: Annotated[int, typer.Option(min=1, help="How many instructions to choose.")],
    method: Annotated[
        str, typer.Option(help="tasks, facility-location, clusters (published), k-center or random.")
    ] = "tasks",
    compare: Annotated[
        int, typer.Option(min=0, help="Also draw with every method, this many times each, and print a table.")
    ] = 0,
    labels: Annotated[
        str | None, typer.Option(help="A field with task labels to judge the choice by; left out: the parser's.")
    ] = None,
    by: By = "task",
    cache: shared.Cache = None,
    field: Field = None,
    limit: shared.Limit = None,
    language: Language = "en",
    seed: Seed = 0,
    quiet: shared.Quiet = False,
) -> None:
    """Choose instructions that differ from each other and speak for the whole pool.

    answerspace instructions select pool.jsonl --count 600 --output chosen.jsonl

    answerspace instructions select pool.jsonl --count 600 --output chosen.jsonl --method facility-location --compare 10
    """
    from answerspace.instructions import selection, task_space

    task_space.checked_json_lines(output)
    pool = task_space.distinct_instructions(_read(file, field, limit, quiet))
    selection.check_selection(len(pool.rows), count, method)
    gold = None if labels is None else task_space.field_labels(pool.rows, labels)
    with stoppable(_kept(cache)):
        extractor = _extractor(language, quiet)
        encoder = _encoder(ctx, by, cache, extractor)
        # --labels judge the choice; the method "tasks" goes by the parser's.
        guide = task_space.find_tasks(pool, extractor).labels if compare or method == "tasks" else None
        [vectors] = task_space.task_vectors(encoder, pool.texts, show_progress=not quiet)
        chosen = selection.select(vectors, count, method=method, labels=guide, seed=seed, show_progress=not quiet)
        typer.echo(f"{count:,} of {len(pool.rows):,} distinct instructions by {method}.")
        judges = gold or guide
        if judges is not None:
            typer.echo(selection.coverage_sentence(selection.coverage(vectors, judges, chosen)))
        if compare and judges is not None:
            found = selection.compare_methods(
                vectors, judges, [count], guide=guide, seeds=compare, show_progress=not quiet
            )
            typer.echo(selection.comparison_table(found), nl=False)
    task_space.write_rows([pool.rows[row] for row in chosen], output)
    typer.echo(f"Wrote {output}")


def retrieve(
    ctx: typer.Context,
    file: File,
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
    by: By = "task",
    cache: shared.Cache = None,
    field: Field = None,
    limit: shared.Limit = None,
    language: Language = "en",
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
    pool = task_space.distinct_instructions(_read(file, field, limit, quiet))
    asked = [*(instruction or []), *(_read(queries, None, None, quiet).texts if queries else [])]
    if any(not text.strip() for text in asked):
        raise InputError("--instruction must hold words. Got an empty one.")
    rows = pool.rows
    gold = None if labels is None else task_space.field_labels(rows, labels)
    with stoppable(_kept(cache)):
        extractor = _extractor(language, quiet)
        encoder = _encoder(ctx, by, cache, extractor)
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


def compress(
    ctx: typer.Context,
    scores: Annotated[
        str, typer.Argument(metavar="SCORES", help="A table: a row an item, a column a model; or item, model, score.")
    ],
    output: Annotated[str, typer.Option(help="The items that are kept, with weights, as .csv.")],
    count: Annotated[int, typer.Option(min=1, help="How many items to keep.")],
    method: Annotated[
        str, typer.Option(help="calibrated, anchors, clusters (published; needs --text) or random.")
    ] = "calibrated",
    item: Annotated[str | None, typer.Option(help="The column that tells items apart.")] = None,
    text: Annotated[str | None, typer.Option(help="The column with the items' instructions.")] = None,
    draws: Annotated[
        int, typer.Option(min=0, help="How often to measure the loss: half the models known, half estimated.")
    ] = 20,
    by: By = "task",
    cache: shared.Cache = None,
    language: Language = "en",
    seed: Seed = 0,
    quiet: shared.Quiet = False,
) -> None:
    """Make a small benchmark that keeps the ranking of models, from their scores on every item.

    answerspace instructions compress scores.csv --count 50 --output short.csv

    answerspace instructions compress scores.csv --count 50 --output short.csv --text instruction --method clusters
    """
    from answerspace.instructions import compression, score_tables, task_space

    path = score_tables.checked_csv(output)
    table = score_tables.read_scores(scores, item=item, text=text)
    _tell(table.notes, quiet)
    compression.check_compression(len(table.items), count, method, with_vectors=text is not None)
    with stoppable(_kept(cache)):
        vectors = None
        if table.texts is not None:
            encoder = _encoder(ctx, by, cache, _extractor(language, quiet))
            [vectors] = task_space.task_vectors(encoder, table.texts, show_progress=not quiet)
        typer.echo(f"{len(table.items):,} items, {len(table.models):,} models.")
        if draws and len(table.models) >= compression.FEWEST_MODELS:
            found = compression.measure_fidelity(
                table.scores, [count], vectors=vectors, draws=draws, seed=seed, show_progress=not quiet
            )
            typer.echo(compression.fidelity_table(found), nl=False)
        elif draws:
            typer.echo(f"The loss is measured from {compression.FEWEST_MODELS} models on.")
        short = compression.compress(table.scores, count, method=method, vectors=vectors, seed=seed)
    score_tables.write_short(path, table, short)
    typer.echo(f"Wrote {output}")


def estimate(
    short: Annotated[str, typer.Argument(metavar="SHORT", help="What compress wrote.")],
    scores: Annotated[str, typer.Argument(metavar="SCORES", help="Scores of new models on the items kept.")],
    item: Annotated[str | None, typer.Option(help="The column that tells items apart.")] = None,
    quiet: shared.Quiet = False,
) -> None:
    """Estimate models' scores on the whole benchmark from their scores on the items that compress kept.

    answerspace instructions estimate short.csv new_scores.csv
    """
    from answerspace.instructions import score_tables

    table = score_tables.read_scores(scores, item=item, fewest_models=1, fewest_items=1)
    _tell(table.notes, quiet)
    found = score_tables.estimate_from(short, table)
    for model, score in sorted(found.items(), key=lambda pair: -pair[1]):
        typer.echo(f"{score:10.4f}  {one_line(model, 80)}")


def correlate(
    ctx: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE FILE...", help="Two or more instruction sets.")],
    output: Annotated[str | None, typer.Option(help="A page with heat maps (.html) or the numbers (.json).")] = None,
    draws: Annotated[int, typer.Option(min=1, help="Samples of every set.")] = 5,
    by: By = "task",
    cache: shared.Cache = None,
    field: Annotated[
        list[str] | None, typer.Option(help="The field with the instruction, one for each file or one for all.")
    ] = None,
    limit: shared.Limit = None,
    language: Language = "en",
    seed: Seed = 0,
    quiet: shared.Quiet = False,
) -> None:
    """Compare instruction sets by task: how much of one is found in another, and what two have in common.

    answerspace instructions correlate alpaca.json dolly.jsonl lima.jsonl --output overlap.html
    """
    from answerspace.instructions import correlation, correlation_page, task_space

    path = None if output is None else correlation_page.checked_output(output)
    fields: list[str | None] = list(field) if field else [None]
    if len(fields) not in (1, len(files)):
        raise InputError(f"--field must be given once or once for each file. Got {len(fields)} for {len(files)} files.")
    fields = fields * len(files) if len(fields) == 1 else fields
    sets = [_read(file, one, limit, quiet) for file, one in zip(files, fields, strict=True)]
    texts = [task_space.distinct_instructions(one).texts for one in sets]
    names = correlation_page.short_names(files)
    correlation.check_sets(dict(zip(names, map(len, texts), strict=True)))
    with stoppable(_kept(cache)):
        encoder = _encoder(ctx, by, cache, _extractor(language, quiet))
        vectors = task_space.task_vectors(encoder, *texts, show_progress=not quiet)
        found = correlation.correlate(dict(zip(names, vectors, strict=True)), draws=draws, seed=seed)
    typer.echo(correlation_page.as_text(found), nl=False)
    if path is not None:
        correlation_page.write(found, path, by)
        typer.echo(f"Wrote {output}")


def deduplicate(
    file: File,
    output: Annotated[str, typer.Option(help="The rows that are kept, as they were read, as .jsonl.")],
    threshold: Annotated[
        float, typer.Option(help="The overlap (Jaccard, character 5-grams) from which texts are near-duplicates.")
    ] = 0.8,
    instruction_only: Annotated[
        bool, typer.Option("--instruction-only", help="Do not look at the row's input.")
    ] = False,
    field: Field = None,
    limit: shared.Limit = None,
    quiet: shared.Quiet = False,
) -> None:
    """Drop near-duplicate instructions; the first of a kind stays.

    answerspace instructions deduplicate pool.jsonl --output clean.jsonl
    """
    from answerspace.instructions import task_space
    from answerspace.instructions.duplicates import find_duplicates

    task_space.checked_json_lines(output)
    pool = _read(file, field, limit, quiet)
    texts = task_space.compared_texts(pool, instruction_only=instruction_only)
    with stoppable("Nothing was written."):
        found = find_duplicates(texts, threshold, show_progress=not quiet)
    dropped = set(found.dropped)
    typer.echo(
        f"{len(pool.rows):,} rows: {len(dropped):,} near-duplicates dropped, {len(pool.rows) - len(dropped):,} kept."
    )
    for group in found.groups()[:SHOWN]:
        first, second = (pool.rows[row] for row in group[:2])
        typer.echo(f"{len(group):7,} rows  row {first.row}: {one_line(first.text, 70)}")
        if texts[group[0]] != texts[group[1]]:
            typer.echo(f"              row {second.row}: {one_line(second.text, 70)}")
    task_space.write_rows([row for place, row in enumerate(pool.rows) if place not in dropped], output)
    typer.echo(f"Wrote {output}")


def audit(
    ctx: typer.Context,
    file: File,
    output: Annotated[str, typer.Option(help="A folder: report.html, tasks.csv, instructions.csv, summary.json.")],
    reference: Annotated[
        str | None, typer.Option(help="A set to compare with: a task is over-represented if it is more frequent here.")
    ] = None,
    threshold: Annotated[float, typer.Option(help="The overlap from which texts are near-duplicates.")] = 0.8,
    labels: Gold = None,
    by: By = "task",
    cache: shared.Cache = None,
    field: Field = None,
    limit: shared.Limit = None,
    language: Language = "en",
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that holds other files.")] = False,
    seed: Seed = 0,
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

    pool = _read(file, field, limit, quiet)
    other = None if reference is None else _read(reference, None, None, quiet)
    folder = OutputFolder(output, force=force)
    with stoppable(f"What was computed is kept in {folder.path}; run the same command again to go on."):
        duplicates = find_duplicates(task_space.compared_texts(pool), threshold, show_progress=not quiet)
        extractor = _extractor(language, quiet)
        tasks = task_space.find_tasks(pool, extractor, field=labels, other=other)
        encoder = _encoder(ctx, by, cache, extractor, folder.store())
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


# --- parts of the commands ---------------------------------------------------------------------------------------


def _read(file: str, field: str | None, limit: int | None, quiet: bool) -> InstructionSet:
    from answerspace.instructions.instruction_files import read_instructions

    found = read_instructions(file, field=field, limit=limit)
    _tell(found.notes(), quiet)
    return found


def _tell(notes: list[str], quiet: bool) -> None:
    if not quiet:
        for note in notes:
            say(note)


def _extractor(language: str, quiet: bool) -> RememberedLabels:
    from answerspace.instructions.english import make_extractor
    from answerspace.instructions.task_space import RememberedLabels

    return RememberedLabels(partial(make_extractor, language), show_progress=not quiet)


def _encoder(
    ctx: typer.Context, by: str, cache: str | None, extractor: RememberedLabels, store: AnswerStore | None = None
) -> Encoder:
    from answerspace.instructions.task_space import make_encoder

    def load(model: str | None) -> Embedder:
        embedder = shared.loader(ctx, model, cache)()
        return embedder if store is None else store.cached(embedder)

    return make_encoder(by, load, extractor)


def _kept(cache: str | None) -> str:
    return "Nothing was written." + (f" What was computed is kept in {cache}." if cache else "")


def _print_precision(
    ctx: typer.Context, by: str, texts: list[str], gold: list[str], vectors: Any, extractor: RememberedLabels
) -> None:
    from answerspace.instructions.retrieval import precision_at
    from answerspace.instructions.task_space import task_vectors

    rows = {by: vectors}
    for name in ("tfidf-words", "tfidf-characters"):
        if name != by:
            [rows[name]] = task_vectors(_encoder(ctx, name, None, extractor), texts)
    scores = {name: precision_at(one, gold) for name, one in rows.items()}
    ks = list(scores[by])
    typer.echo("| | " + " | ".join(f"precision@{k}" for k in ks) + " |\n|---|" + "---|" * len(ks))
    for name, found in scores.items():
        typer.echo(f"| {name} | " + " | ".join(f"{found[k]:.3f}" for k in ks) + " |")


def _print_audit(found: Any) -> None:
    for name, value in found.result.facts.items():
        typer.echo(f"{name}: {value}")
    for task in found.tasks[:SHOWN]:
        mark = f"  {task.times:.1f} times the expected share" if task.over else ""
        typer.echo(f"{task.count:7,}  {100 * task.share:5.1f} %  {one_line(task.task, 50)}{mark}")


COMMANDS = (select, retrieve, compress, estimate, correlate, deduplicate, audit)


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    for command in COMMANDS:
        app.command(command.__name__)(command)
