"""answerspace select-tasks: which tasks to train on for a target instruction, and how well selectors do."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Annotated

import typer

from answerspace.cli import options as shared
from answerspace.cli.terminal import say, stoppable
from answerspace.errors import InputError, MissingExtra

app = typer.Typer(rich_markup_mode=None, invoke_without_command=True)
PoolFile = Annotated[
    str | None,
    typer.Option("--pool", help="JSON Lines, CSV, TSV or Parquet: name and an instruction, or promptsource templates."),
]
Where = Annotated[list[str] | None, typer.Option(help="COLUMN=VALUE: use the rows that have it. Repeat for more.")]
Encoder = Annotated[
    str,
    typer.Option(
        help="bundled, bundled-asked, lexical, st:NAME (sentence-transformers), or a model for Embedder.load."
    ),
]
LEARNERS = ("bundled", "ridge")
INSTRUCTION_WORDS = 40  # of an instruction count towards the budget: about what the bundled learner reads of it
TITLES = {"labels": "Right label of the target", "outputs": "Right output among those of the target's examples"}
Data = Annotated[str, typer.Option(help="The folder with niv2_tasks.jsonl, p3_templates.jsonl and the transfers.")]


@app.callback()
def select(
    ctx: typer.Context,
    target: Annotated[
        list[str] | None, typer.Option("--target", help="The target's instruction. Repeat for more wordings.")
    ] = None,
    pool: PoolFile = None,
    k: Annotated[str, typer.Option("--k", help="How many tasks, or auto.")] = "auto",
    target_name: Annotated[str, typer.Option(help="The target's name, to find it in the pool.")] = "target",
    where: Where = None,
    exclude_source: Annotated[
        list[str] | None, typer.Option(help="Leave out tasks made from this data set. Repeat for more.")
    ] = None,
    drop_target: Annotated[
        bool, typer.Option("--drop-target", help="Leave the target out of the pool instead of refusing.")
    ] = False,
    recipe: Annotated[
        str, typer.Option(help="answerspace, insta (published, mean), insta-vote or insta-vote-weighted.")
    ] = "answerspace",
    encoder: Encoder = "bundled",
    prior: Annotated[
        str | None, typer.Option(help="A table with target, source, score: transfers measured on other targets.")
    ] = None,
    per_source: Annotated[int | None, typer.Option(min=1, help="At most this many tasks of one data set.")] = None,
    diversity: Annotated[float, typer.Option(help="0 to below 1: avoid tasks that resemble those picked.")] = 0.0,
    output: Annotated[str | None, typer.Option(help="Also write the tasks to this .json, .jsonl or .csv file.")] = None,
    quiet: shared.Quiet = False,
) -> None:
    """Rank the tasks of a pool by how well they should prepare for a target, from instructions alone (INSTA).

    answerspace select-tasks --target "Is the answer to the question in the passage?" --pool tasks.jsonl --k 10

    answerspace select-tasks --target "..." --pool tasks.jsonl --k auto --exclude-source squad --output chosen.json
    """
    if ctx.invoked_subcommand is not None:
        return
    from answerspace.task_selection.instruction_vectors import KeptVectors, instruction_encoder
    from answerspace.task_selection.ranking import recipe_named, select_tasks
    from answerspace.task_selection.selected_tasks_file import check_selection_path, write_selection
    from answerspace.task_selection.source_prior import read_transfers, source_prior
    from answerspace.task_selection.task_pool import PoolTask, read_pool, target_free

    if not target or pool is None:
        raise InputError("A selection needs --target and --pool. Got no " + ("--pool." if target else "--target."))
    path = None if output is None else check_selection_path(output)
    wanted, size = recipe_named(recipe), _size(k)
    wordings = tuple(one.strip() for one in target if one.strip())
    if not wordings:
        raise InputError("--target must have at least one word. Got none.")
    own = PoolTask(target_name, wordings)
    tasks, notes = target_free(
        read_pool(pool, where=_conditions(where)), own, exclude_origins=exclude_source or [], drop_target=drop_target
    )
    useful = None
    if prior is not None:
        useful = source_prior(read_transfers(prior), [task.name for task in tasks], leave_out=[target_name])
    with stoppable("Nothing was written."):
        encode = KeptVectors(instruction_encoder(encoder, ctx.obj))
        chosen = select_tasks(
            own, tasks, encode, k=size, recipe=wanted, prior=useful, per_origin=per_source, diversity=diversity
        )
    for place, one in enumerate(chosen.picks, 1):
        typer.echo(f"{place:>4}  {one.score:6.3f}  {one.name}  ({one.reason})")
    for note in [*notes, *chosen.notes]:
        if not quiet:
            say(note)
    if chosen.stability is not None:
        typer.echo(f"Stability: half of the instruction picks {chosen.stability:.0%} of these tasks again.")
    if path is not None:
        facts = {"target": " | ".join(wordings), "pool": pool, "recipe": recipe, "encoder": encoder}
        write_selection(chosen, path, facts)
        typer.echo(f"Wrote {path}")


@app.command("evaluate")
def evaluate(
    ctx: typer.Context,
    data: Data,
    selector: Annotated[
        list[str] | None,
        typer.Option(help="ENCODER or ENCODER@RECIPE, such as bundled@insta or st:FOLDER. Repeat for more."),
    ] = None,
    part: Annotated[list[str] | None, typer.Option(help="niv2, lists, roe or taskweb. Left out: all.")] = None,
    output: Annotated[str, typer.Option(help="A folder for selection.md, selection.json and finished parts.")] = (
        "selection-scores"
    ),
    quiet: shared.Quiet = False,
) -> None:
    """Measure selectors: category retrieval, the authors' lists, the RoE oracle, TaskWeb; intervals over targets.

    answerspace select-tasks evaluate --data DIR

    answerspace select-tasks evaluate --data DIR --selector bundled --selector lexical --selector bundled@insta
    """
    from answerspace.task_selection.instruction_vectors import instruction_encoder
    from answerspace.task_selection.selection_benchmark import (
        PARTS,
        benchmark_table,
        read_benchmark,
        run_benchmark,
        selectors_named,
        write_benchmark,
    )

    parts = part or list(PARTS)
    unknown = [one for one in parts if one not in PARTS]
    if unknown:
        raise InputError(f"--part must be one of {', '.join(PARTS)}. Got {unknown[0]!r}.")
    selectors = selectors_named(selector or ["bundled"], partial(instruction_encoder, load=ctx.obj))
    with stoppable(f"Finished parts are kept in {output}; run the same command again to go on."):
        tell = (lambda note: None) if quiet else say
        scores = run_benchmark(read_benchmark(data), selectors, parts=parts, keep=Path(output), tell=tell)
    typer.echo(benchmark_table(scores), nl=False)
    for written in write_benchmark(scores, Path(output)):
        typer.echo(f"Wrote {written}")


@app.command("align")
def align_selector(
    pool: Annotated[str, typer.Option(help="Tasks with a category, or promptsource templates, to align on.")],
    output: Annotated[Path, typer.Option(help="A folder for model/ and alignment.json.")],
    base: Annotated[str, typer.Option(help="A sentence-transformers model or folder; minilm is all-MiniLM-L6-v2.")] = (
        "minilm"
    ),
    where: Where = None,
    recipe: Annotated[str, typer.Option(help="hard-negatives (ours) or published.")] = "hard-negatives",
    quiet: shared.Quiet = False,
) -> None:
    """Fine-tune an encoder on instructions: same category (or data set) close, the rest apart. Needs the eval extra.

    answerspace select-tasks align --pool niv2_tasks.jsonl --where split_default=train --output runs/aligned

    Whole categories are held apart; the epoch that serves them best is kept, which may be the base model itself.
    """
    try:
        from answerspace.evaluation.encoders.baselines import minilm_folder
        from answerspace.task_selection.alignment import ALIGNMENTS, align
        from answerspace.task_selection.alignment_pairs import held_apart, instructions_of
    except ImportError:
        raise MissingExtra("Alignment", "eval") from None
    from answerspace.task_selection.task_pool import read_pool

    if recipe not in ALIGNMENTS:
        raise InputError(f"--recipe must be one of {', '.join(ALIGNMENTS)}. Got {recipe!r}.")
    rest, dev = held_apart(instructions_of(read_pool(pool, where=_conditions(where))))
    with stoppable(f"The best model so far is in {output}."):
        tell = (lambda note: None) if quiet else say
        rows = align(minilm_folder() if base == "minilm" else base, rest, dev, ALIGNMENTS[recipe], output, tell=tell)
    best = max(rows, key=lambda row: row["dev"])
    typer.echo(f"Epoch {best['epoch']:.0f} is best (dev {best['dev']:.4f}, before {rows[0]['dev']:.4f}).")
    typer.echo(f"The model is in {output / 'model'}. Use it with --encoder st:{output / 'model'}.")


@app.command("mix")
def mix(
    tasks: Annotated[str, typer.Option(help="A file written by select-tasks (.json, .jsonl or .csv).")],
    pool: Annotated[str, typer.Option(help="The pool that the tasks were chosen from.")],
    examples: Annotated[str, typer.Option(help="JSON Lines (.gz too) with task, input and output.")],
    output: Annotated[Path, typer.Option(help="The training data as .jsonl, for answerspace train --data.")],
    per_task: Annotated[int | None, typer.Option(min=1, help="At most this many distinct examples of a task.")] = None,
    balance: Annotated[str, typer.Option(help="equal: every task in turn; proportional: as large as they are.")] = (
        "equal"
    ),
    tokens: Annotated[int | None, typer.Option(min=1, help="Stop at this many words; starts over if larger.")] = None,
    where: Where = None,
    seed: Annotated[int, typer.Option(help="Draws examples, instructions and their order.")] = 0,
) -> None:
    """Build the training mixture of chosen tasks.

    answerspace select-tasks mix --tasks chosen.json --pool tasks.jsonl --examples examples.jsonl --output mixture.jsonl

    answerspace train recipes/insta-t5-3b-p3.toml --data mixture.jsonl --output runs/target
    """
    from answerspace.task_selection.mixture import build_mixture, read_examples, write_mixture
    from answerspace.task_selection.selected_tasks_file import read_selected_names
    from answerspace.task_selection.task_pool import read_pool

    by_name = {task.name: task for task in read_pool(pool, where=_conditions(where))}
    names = read_selected_names(tasks)
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise InputError(f"Every chosen task must be in the pool. Got {unknown[0]!r}, which {pool} does not have.")
    mixture = build_mixture(
        [by_name[name] for name in names],
        read_examples(examples),
        per_task=per_task,
        balance=balance,
        tokens=tokens,
        seed=seed,
    )
    write_mixture(mixture, output)
    typer.echo(f"{len(mixture):,} examples of {len(names)} tasks in {output}.")


@app.command("judge")
def judge(
    ctx: typer.Context,
    model: Annotated[str, typer.Option(help="A trained causal or encoder-decoder model: a folder or hub id.")],
    pool: Annotated[str, typer.Option(help="The file that describes the target task.")],
    task: Annotated[str, typer.Option(help="The target's name in it.")],
    examples: Annotated[str, typer.Option(help="JSON Lines (.gz too) with task, input and output.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Use the first examples only.")] = None,
    where: Where = None,
) -> None:
    """Score a trained model on a target: rank classification where the task has labels, ROUGE-L.

    answerspace select-tasks judge --model runs/target/model --pool tasks.jsonl --task mine --examples examples.jsonl
    """
    from answerspace.task_selection.mixture import read_examples
    from answerspace.task_selection.rank_classification import judge_model
    from answerspace.task_selection.task_pool import read_pool

    found = {one.name: one for one in read_pool(pool, where=_conditions(where))}
    rows = read_examples(examples).get(task, [])[:limit]
    if task not in found or not rows:
        raise InputError(f"--task must be a task of {pool} with examples in {examples}. Got {task!r}.")
    target = found[task]
    choices = target.answers if {answer for _, answer in rows} <= set(target.answers) else ()
    scores = judge_model(ctx.obj(model).backbone, target.instructions[0], rows, choices)
    accuracy = "" if scores.accuracy is None else f"accuracy {100 * scores.accuracy:.1f}, "
    typer.echo(f"{task}: {accuracy}ROUGE-L {100 * scores.rouge_l:.1f} on {scores.examples} examples.")


@app.command("experiment")
def experiment(
    ctx: typer.Context,
    data: Data,
    output: Annotated[str, typer.Option(help="A folder for runs.jsonl, plots and vectors.")],
    k: Annotated[str, typer.Option("--k", help="Numbers of tasks, with commas.")] = "5,20,80",
    learner: Annotated[
        str, typer.Option(help="bundled: the bundled model, fine-tuned (train extra). ridge: on frozen vectors.")
    ] = "bundled",
    start: Annotated[str, typer.Option(help="What the bundled learner starts from: bundled, or a model's folder.")] = (
        "bundled"
    ),
    tokens: Annotated[int, typer.Option(min=1, help="Words of training data in every run.")] = 16_000,
    passes: Annotated[int, typer.Option(min=1, help="How often the bundled learner sees them.")] = 1,
    learning_rate: Annotated[float, typer.Option(help="Of the bundled learner.")] = 3e-4,
    per_task: Annotated[int, typer.Option(min=1, help="Distinct examples of a source task.")] = 100,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Targets with fixed labels, or ranking the outputs of their own examples. Left out: both."),
    ] = None,
    targets: Annotated[int, typer.Option(min=1, help="At most this many of each kind, spread over categories.")] = 8,
    target_examples: Annotated[int, typer.Option(min=6, help="Evaluation examples of a target.")] = 40,
    any_target: Annotated[
        bool, typer.Option("--any-target", help="Also targets that no linear model learns from their own examples.")
    ] = False,
    related: Annotated[
        bool, typer.Option("--related", help="Let the pool hold the test tasks of other data sets too.")
    ] = False,
    words: Annotated[int, typer.Option(min=8, help="Inputs are cut to this many words.")] = 32,
    seeds: Annotated[int, typer.Option(min=1, help="Runs per target and k on selected tasks.")] = 2,
    draws: Annotated[int, typer.Option(min=1, help="Runs per k on random tasks, and on all tasks.")] = 4,
    own: Annotated[int, typer.Option(min=0, help="Runs per target on its own other examples: an upper mark.")] = 1,
    encoder: Encoder = "bundled",
    quiet: shared.Quiet = False,
) -> None:
    """Compare selected, random and all tasks at one token budget, with a small model trained on the CPU.

    answerspace select-tasks experiment --data DIR --output runs/transfer

    The targets are test tasks of categories that no train task has. A stopped sweep goes on with the same command.
    """
    from answerspace.task_selection.instruction_vectors import VectorFile, instruction_encoder
    from answerspace.task_selection.learnable_targets import learnable
    from answerspace.task_selection.mixture import read_examples
    from answerspace.task_selection.sweep_scores import sweep_lines, sweep_plot
    from answerspace.task_selection.task_pool import read_pool
    from answerspace.task_selection.transfer_experiment import (
        LABELS,
        OUTPUTS,
        SweepPlan,
        run_sweep,
        shortened,
        spread_over_categories,
        targets_of,
    )

    kinds = kind or [LABELS, OUTPUTS]
    for given, allowed, option in (
        (learner, LEARNERS, "--learner"),
        *((one, (LABELS, OUTPUTS), "--kind") for one in kinds),
    ):
        if given not in allowed:
            raise InputError(f"{option} must be one of {', '.join(allowed)}. Got {given!r}.")
    context = f"encoder {encoder}, inputs of {words} words, {target_examples} examples a target"
    plan = SweepPlan(_sizes(k), tokens, per_task, INSTRUCTION_WORDS, seeds, draws, own, context)
    folder = Path(output)
    examples = shortened(read_examples(Path(data) / "niv2_instances.jsonl.gz"), words=words)
    train = read_pool(Path(data) / "niv2_tasks.jsonl", where={"split_default": "train"})
    test = read_pool(Path(data) / "niv2_tasks.jsonl", where={"split_default": "test"})
    tell = (lambda note: None) if quiet else say
    with stoppable(f"Finished runs are kept in {output}; run the same command again to go on."):
        encode = VectorFile(instruction_encoder(encoder, ctx.obj), folder / "vectors.npz")
        groups = []
        for one in kinds:
            found = targets_of(test, examples, kind=one, most=target_examples)
            found = found if any_target or one != LABELS else learnable(found, encode)
            groups.append(spread_over_categories(found, targets))
        judged = [target for turn in zip_longest(*groups) for target in turn if target]
        tell(f"{len(judged)} targets: {', '.join(target.task.name for target in judged)}")
        encode.write()
        trained_on = examples | {target.task.name: target.others for target in judged}
        if learner == "ridge":
            from answerspace.task_selection.answer_predictor import predictor_learner

            trained = predictor_learner(encode)
        else:
            try:
                from answerspace.task_selection.bundled_learner import BundledSettings, bundled_learner
            except ImportError:
                raise MissingExtra("The bundled learner", "train") from None
            settings = BundledSettings(start=start, learning_rate=learning_rate, passes=passes)
            trained = bundled_learner(settings, [*train, *test], trained_on)
        pool = [*train, *test] if related else train
        results = run_sweep(judged, pool, trained_on, encode, trained, folder, plan, tell=tell)
        encode.write()
    for one in kinds:
        part = [result for result in results if result.kind == one]
        if part:
            typer.echo(f"Targets by {one} ({len({result.target for result in part})}):")
            typer.echo("\n".join(sweep_lines(part)))
            (folder / f"sweep-{one}.svg").write_text(sweep_plot(part, TITLES[one]), encoding="utf-8")
            typer.echo(f"Wrote {folder / f'sweep-{one}.svg'}")
    typer.echo(f"Every run is in {folder / 'runs.jsonl'}")


def _size(k: str) -> int | None:
    if k == "auto":
        return None
    if not k.isdigit() or int(k) < 1:
        raise InputError(f"--k must be a whole number of at least 1, or auto. Got {k!r}.")
    return int(k)


def _sizes(k: str) -> tuple[int, ...]:
    sizes = [_size(one.strip()) for one in k.split(",")]
    if None in sizes:
        raise InputError(f"--k must be whole numbers with commas here. Got {k!r}.")
    return tuple(sorted({size for size in sizes if size is not None}))


def _conditions(where: Sequence[str] | None) -> dict[str, str]:
    found = {}
    for one in where or []:
        column, equals, value = one.partition("=")
        if not equals or not column:
            raise InputError(f"--where must be COLUMN=VALUE. Got {one!r}.")
        found[column] = value
    return found
