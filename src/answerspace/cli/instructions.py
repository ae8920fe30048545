"""answerspace instructions: task labels, their evaluation, PIE, and what a labelled set is good for."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from answerspace.cli import options as shared
from answerspace.cli.instruction_uses import register
from answerspace.cli.terminal import one_line, say, stoppable

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Instruction sets: label, embed, evaluate and use them by task."
)

File = Annotated[
    str, typer.Argument(metavar="FILE", help="Alpaca JSON, JSON Lines, Parquet, chat messages, CSV or plain lines.")
]
Field = Annotated[str | None, typer.Option(help="The field that holds the instruction; left out: it is looked for.")]
Language = Annotated[str, typer.Option(help="The language of the instructions: en.")]
TASKS_SHOWN = 20


@app.command("label")
def label(
    file: File,
    field: Field = None,
    output: Annotated[
        str | None, typer.Option(help="Write a row an instruction to this .csv, .jsonl or .parquet file.")
    ] = None,
    merge: Annotated[bool, typer.Option(help="Give synonymous labels one task name.")] = True,
    limit: shared.Limit = None,
    language: Language = "en",
    quiet: shared.Quiet = False,
) -> None:
    """Label each instruction with the verb and the noun of its task, and show the most frequent tasks.

    answerspace instructions label alpaca_data.json --output labels.csv

    answerspace instructions label chats.jsonl --field prompt --limit 1000
    """
    from answerspace.instructions.english import make_extractor
    from answerspace.instructions.instruction_files import read_instructions
    from answerspace.instructions.labelling import checked_output, label_instructions

    if output is not None:
        checked_output(output)
    instructions = read_instructions(file, field=field, limit=limit)
    if not quiet:
        for note in instructions.notes():
            say(note)
    with stoppable("Nothing was written."):
        labelling = label_instructions(instructions, make_extractor(language), merge=merge, show_progress=not quiet)
    several = sum(len(labels) > 1 for labels in labelling.labels)
    total = len(labelling.tasks)
    typer.echo(f"{total:,} instructions, {len(labelling.counts):,} tasks; {several:,} instructions have several steps.")
    for task, count in labelling.counts[:TASKS_SHOWN]:
        typer.echo(f"{count:7,}  {100 * count / total:5.1f} %  {one_line(task, 60)}")
    if output is not None:
        labelling.write(output)
        typer.echo(f"Wrote {output}")


@app.command("evaluate")
def evaluate(
    ctx: typer.Context,
    data: Annotated[
        str, typer.Option(help="The folder with eft_test.json, ift_test.json, intention_similarity_test.json.")
    ],
    row: Annotated[
        list[str] | None, typer.Option(help="A row of the table, see the docs. Repeat for more; left out: all but PIE.")
    ] = None,
    pie: Annotated[list[str] | None, typer.Option(help="A hub id or folder, embedded by PIE's prompt.")] = None,
    test: Annotated[
        list[str] | None, typer.Option(help="ict, ict de-duplicated, iis or iis-hard. Repeat for more.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="K-means runs.")] = 10,
    output: Annotated[
        str | None, typer.Option(help="A .json file that results are kept in; the same command goes on from it.")
    ] = None,
    quiet: shared.Quiet = False,
) -> None:
    """Score encoders on the instruction embedding benchmark, with the lexical baselines in every table.

    answerspace instructions evaluate --data DIR

    answerspace instructions evaluate --data DIR --row task --pie facebook/opt-350m --output scores.json
    """
    from answerspace.instructions.benchmark import read_benchmark
    from answerspace.instructions.benchmark_rows import ROWS, make_row
    from answerspace.instructions.benchmark_run import TESTS, evaluate_instructions, read_run, score_tables, write_run
    from answerspace.instructions.pie import load_pie

    benchmark = read_benchmark(data)
    encoders = {name: make_row(name, ctx.obj) for name in (row or ([] if pie else list(ROWS)))}
    encoders |= {f"PIE {model}": partial(load_pie, model) for model in pie or []}
    tell = (lambda note: None) if quiet else say
    facts = {"data": data, "seeds": str(seeds)}
    path = None if output is None else Path(output)
    with stoppable(
        "Finished scores are kept; run the same command again to go on." if path else "Nothing was written."
    ):
        run = evaluate_instructions(
            encoders,
            benchmark,
            tests=test or TESTS,
            seeds=seeds,
            done=read_run(path) if path else None,
            keep=(lambda found: write_run(found, path, facts)) if path else (lambda found: None),
            tell=tell,
        )
    typer.echo(score_tables(run), nl=False)


@app.command("train")
def train(
    file: File,
    model: Annotated[str, typer.Option(help="The hub id or folder of a causal or masked model to start from.")],
    output: Annotated[str, typer.Option(help="The folder to write; evaluate --pie takes it.")],
    field: Field = None,
    prompt: Annotated[str, typer.Option(help="pie or semantic.")] = "pie",
    epochs: Annotated[float, typer.Option(min=0.0, help="Passes over the instructions.")] = 1.0,
    batch_size: Annotated[int, typer.Option(min=2, help="Instructions a step, each with a positive.")] = 8,
    learning_rate: Annotated[float, typer.Option(help="Of Adam.")] = 1e-5,
    hard_negatives: Annotated[bool, typer.Option(help="Add an instruction of the same verb or noun a row.")] = True,
    published: Annotated[bool, typer.Option("--published", help="Repeat the authors' code with its faults.")] = False,
    limit: shared.Limit = None,
    language: Language = "en",
    seed: Annotated[int, typer.Option(help="Of the drawing and the dropout.")] = 0,
) -> None:
    """Fine-tune PIE on a language model with the labels of ``answerspace instructions label``. Needs the train extra.

    answerspace instructions train alpaca_data.json --model facebook/opt-350m --output runs/pie
    """
    from answerspace.errors import MissingExtra
    from answerspace.instructions.benchmark import Labelled
    from answerspace.instructions.english import make_extractor
    from answerspace.instructions.instruction_files import read_instructions
    from answerspace.instructions.labelling import label_instructions

    try:
        from answerspace.instructions.pie_training import PieRecipe, train_pie
    except ImportError:
        raise MissingExtra("Training PIE", "train") from None
    instructions = read_instructions(file, field=field, limit=limit)
    for note in instructions.notes():
        say(note)
    labelling = label_instructions(instructions, make_extractor(language), show_progress=True)
    main = [labels[0] for labels in labelling.labels]
    rows = [Labelled(*row) for row in zip(instructions.texts, main, labelling.tasks, strict=True)]
    recipe = PieRecipe(
        prompt=prompt,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        hard_negatives=hard_negatives,
        published=published,
        seed=seed,
    )
    with stoppable(f"Nothing was written to {output}."):
        train_pie(model, rows, output, recipe)
    typer.echo(f"Wrote {output}")


register(app)
