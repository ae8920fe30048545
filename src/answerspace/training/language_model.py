"""A language model's fine-tuning: recipe and rows in, checkpoints, a log and a folder for ``Embedder.load`` out.

The transformers ``Trainer`` runs the steps, so several GPUs, sharding and mixed precision are accelerate's business
(``accelerate launch --multi_gpu -m answerspace.cli.main train ...``). What this adds is the prompts, the dev score and
the end.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from answerspace.backbones.causal import CausalBackbone
from answerspace.backbones.masked import MaskedBackbone
from answerspace.backbones.prompt_tokens import PromptOptions
from answerspace.backbones.seq2seq import Seq2SeqBackbone
from answerspace.backbones.torch_model import capacity
from answerspace.embedder import Embedder
from answerspace.errors import InputError, ModelError
from answerspace.loading import load_backbone, save_settings
from answerspace.prompts import resolve_template
from answerspace.settings import Settings
from answerspace.training.dev_retrieval import retrieval_accuracy, retrieval_rows
from answerspace.training.labelled_prompts import Collator, ExampleMaker, Examples
from answerspace.training.language_card import RunFacts, language_card
from answerspace.training.language_recipe import LanguageRecipe, Lora
from answerspace.training.qa_rows import QA, QARows, read_qa
from answerspace.training.trainer_callbacks import LogFile, ProgressBar, StopAfterStep

Trainable = MaskedBackbone | CausalBackbone | Seq2SeqBackbone
ANSWER_TOKENS = {"masked": 3, "causal": 3, "seq2seq": 20}
RECIPE_FILE = "recipe.json"
LOG = "log.jsonl"
SCORES = {"eval_loss": "loss", "eval_retrieval": "retrieval"}


def train_language_model(
    recipe: LanguageRecipe,
    output: Path,
    *,
    data: str | Path | None = None,
    device: str | None = None,
    until_step: int | None = None,
    tell: Callable[[str], None] = lambda note: None,
    show_progress: bool = False,
) -> Path | None:
    """Fine-tune by the recipe; returns the model's folder, or None when ``until_step`` ended the run before its end.

    ``data`` is a file or a hub id, the recipe's own when left out. ``device``: "cpu", "cuda", None for what there is.
    An ``output`` with a checkpoint of the same recipe and data is gone on with. Raises InputError.
    """
    if device not in (None, "cpu", "cuda"):
        raise InputError(f"--device must be cpu or cuda for a language model. Got {device!r}.")
    source = str(data or recipe.data.source)
    if not source:
        raise InputError("The training data must be given with --data; the recipe names none.")
    # 1) rows, model and prompts
    rows = read_qa(
        source,
        dev_share=recipe.data.dev_share,
        remove_stop_words=recipe.data.remove_stop_words,
        limit=recipe.data.rows,
    )
    run = LanguageRun(recipe, rows, output, device=device, show_progress=show_progress)
    if run.first:
        for note in (*rows.notes, *run.notes):
            tell(note)
    # 2) steps
    if not run.train(until_step):
        return None
    # 3) the result
    return run.export(output / "model")


class LanguageRun:
    """One run in a folder."""

    def __init__(
        self,
        recipe: LanguageRecipe,
        rows: QARows,
        output: Path,
        *,
        device: str | None = None,
        show_progress: bool = False,
    ) -> None:
        self.recipe = recipe
        self.rows = rows
        self.output = output
        self.settings = Settings(aggregation=recipe.aggregation)
        self.notes: list[str] = []
        self.seconds = 0.0
        torch.manual_seed(recipe.seed)
        arguments = training_arguments(recipe, output, with_dev=bool(rows.dev), device=device)
        self.first = arguments.process_index == 0
        self._keep_recipe()
        asker = load_asker(recipe)
        make = ExampleMaker(asker, recipe.data.answer_length)
        train, dev = self._fitting(rows.train, make), self._fitting(rows.dev, make)
        if recipe.train.gradient_checkpointing:
            checkpoint_activations(asker.model)
        self.model = asker.model if recipe.lora is None else with_lora(asker.model, recipe.lora)
        self.stop = StopAfterStep()
        self.progress = ProgressBar()
        callbacks = [LogFile(output / LOG), self.stop, *([self.progress] if show_progress else [])]
        if recipe.dev.patience and dev:
            callbacks.append(EarlyStoppingCallback(recipe.dev.patience))
        self.trainer = AnswerTrainer(
            lambda: self.dev_scores(asker, dev),
            model=self.model,
            args=arguments,
            data_collator=Collator(asker),
            train_dataset=Examples(train, make),
            eval_dataset=Examples(dev, make) if dev else None,
            processing_class=asker.tokenizer,
            callbacks=callbacks,
        )
        self.asker, self.dev = asker, dev
        self._drop_default_displays()

    def train(self, until_step: int | None = None) -> bool:
        """Train to the recipe's end, or to a step before it; returns whether the end was reached.

        Goes on from the folder's last checkpoint. An interrupt finishes the step and saves a checkpoint first.
        """
        self.stop.until_step = until_step
        last = get_last_checkpoint(str(self.output / "checkpoints"))
        started = time.monotonic()
        alone = self.trainer.args.world_size == 1
        try:
            with self.stop.on_interrupt(active=alone):
                self.trainer.train(resume_from_checkpoint=last)
        finally:
            self.progress.close()
            self.seconds += time.monotonic() - started
        return until_step is None or until_step >= self.trainer.state.max_steps

    def dev_scores(self, asker: Trainable, dev: list[QA]) -> dict[str, float]:
        """The retrieval accuracy of the model as it stands, asked as it will be."""
        sample = retrieval_rows(dev, self.recipe.dev.rows)
        if not sample:
            return {}
        training = asker.model.training
        now = asker_of(asker.kind, asker.model, asker.tokenizer, asker.options, answer_tokens(self.recipe, asker.kind))
        try:
            vectors = Embedder(now, self.settings).encode(
                [row.text for row in sample], [row.question for row in sample], paired=True
            )
        finally:
            asker.model.train(training)
        accuracy = retrieval_accuracy(vectors, sample)
        return {} if accuracy is None else {"eval_retrieval": accuracy}

    def export(self, folder: Path) -> Path:
        """Write weights, tokenizer, settings and card; with several processes the first one writes."""
        scores = self.trainer.evaluate() if self.dev else {}
        trained = sum(p.numel() for p in self.model.parameters() if p.requires_grad)
        state, args = self.trainer.state, self.trainer.args
        if self.recipe.lora is not None:
            if self.first:
                self.trainer.model.merge_and_unload().save_pretrained(folder)
        else:
            self.trainer.save_model(str(folder))  # every process: sharded weights are gathered
        facts = RunFacts(
            source=self.rows.source,
            rows=len(self.trainer.train_dataset),
            dev_rows=len(self.dev),
            steps=state.global_step,
            epochs=state.epoch or 0.0,
            batch=args.train_batch_size * args.gradient_accumulation_steps * args.world_size,
            processes=args.world_size,
            device=args.device.type,
            seconds=self.seconds,
            trained=trained,
            parameters=sum(p.numel() for p in self.asker.model.parameters()),
            scores={name: scores[key] for key, name in SCORES.items() if key in scores},
        )
        if self.first:
            self.asker.tokenizer.save_pretrained(folder)
            save_settings(self.asker, self.settings, folder)
            (folder / "training_args.bin").unlink(missing_ok=True)  # a pickle that nothing reads
            (folder / "README.md").write_text(language_card(self.recipe, facts, self.output.name), "utf-8")
        return folder

    def _fitting(self, rows: list[QA], make: ExampleMaker) -> list[QA]:
        fitting = [row for row in rows if make.fits(row)]
        if len(fitting) < len(rows):
            self.notes.append(f"{len(rows) - len(fitting):,} rows were left out because their question is too long.")
        if rows and not fitting:
            raise InputError("The questions of the training data must fit into data.length tokens. None does.")
        return fitting

    def _keep_recipe(self) -> None:
        """Write the recipe down, or refuse to go on with the checkpoints of another one."""
        if not self.first:
            return
        path = self.output / RECIPE_FILE
        mine = asdict(self.recipe) | {"rows": [len(self.rows.train), len(self.rows.dev)]}
        mine = json.loads(json.dumps(mine))
        if path.exists() and get_last_checkpoint(str(self.output / "checkpoints")):
            theirs = json.loads(path.read_text("utf-8"))
            changed = sorted(key for key in {*mine, *theirs} if mine.get(key) != theirs.get(key))
            if changed:
                raise InputError(
                    f"--output must be an empty folder or one of a run with the same recipe and data. {self.output} "
                    f"differs in {', '.join(changed)}; give another folder."
                )
        path.write_text(json.dumps(mine, indent=1) + "\n", "utf-8")

    def _drop_default_displays(self) -> None:
        from transformers.trainer_callback import PrinterCallback, ProgressCallback

        for display in (PrinterCallback, ProgressCallback):
            self.trainer.remove_callback(display)


class AnswerTrainer(Trainer):  # type: ignore[misc]  # transformers is untyped
    """The Trainer whose evaluation also asks for ``scores()``."""

    def __init__(self, scores: Callable[[], dict[str, float]], **options: Any) -> None:
        super().__init__(**options)
        self._scores = scores
        # Masked and some encoder-decoder models take the count of scored tokens and do not use it, so that accumulated
        # losses would add up. This way a step is the mean over its parts for every kind, as in the authors' version.
        self.model_accepts_loss_kwargs = False

    def evaluation_loop(self, *arguments: Any, **options: Any) -> Any:
        """The dev loss, and beside it the scores."""
        output = super().evaluation_loop(*arguments, **options)
        output.metrics.update(self._scores())
        return output


def training_arguments(recipe: LanguageRecipe, output: Path, *, with_dev: bool, device: str | None) -> Any:
    """The Trainer's arguments. The batch is the recipe's whatever the number of processes."""
    train = recipe.train
    on_gpu = device != "cpu" and torch.cuda.is_available()
    if device == "cuda" and not on_gpu:
        raise InputError("--device cuda needs a GPU that torch can use. There is none; leave it out.")
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    at_once = train.device_batch * processes
    if train.batch % at_once:
        raise InputError(
            f"train.batch must be a multiple of train.device_batch x processes. Got {train.batch} and "
            f"{train.device_batch} x {processes}; change one with --set."
        )
    (output / "checkpoints").mkdir(parents=True, exist_ok=True)  # every process looks into it
    best = with_dev and recipe.dev.patience > 0
    schedule = {"constant": "constant_with_warmup"}.get(train.schedule, train.schedule)
    return TrainingArguments(
        output_dir=str(output / "checkpoints"),
        num_train_epochs=train.epochs,
        max_steps=train.steps or -1,
        per_device_train_batch_size=train.device_batch,
        per_device_eval_batch_size=train.device_batch,
        gradient_accumulation_steps=train.batch // at_once,
        learning_rate=train.learning_rate,
        lr_scheduler_type=schedule,
        warmup_steps=train.warmup,
        weight_decay=train.weight_decay,
        max_grad_norm=train.clip,
        bf16=train.precision == "bfloat16",
        tf32=True if on_gpu and torch.cuda.get_device_capability()[0] >= 8 else None,  # from Ampere on
        full_determinism=train.deterministic,
        seed=recipe.seed,
        use_cpu=not on_gpu,
        ddp_backend="gloo" if processes > 1 and not on_gpu else None,
        logging_steps=train.log_every,
        save_strategy="steps",
        save_steps=train.save_every,
        save_total_limit=2,
        eval_strategy="steps" if with_dev else "no",
        eval_steps=train.save_every if with_dev else None,
        load_best_model_at_end=best,
        metric_for_best_model=f"eval_{recipe.dev.score}" if best else None,
        greater_is_better=recipe.dev.score == "retrieval" if best else None,
        restore_callback_states_from_checkpoint=True,
        remove_unused_columns=False,
        dataloader_pin_memory=on_gpu,
        disable_tqdm=True,
        report_to="none",
    )


def load_asker(recipe: LanguageRecipe) -> Trainable:
    """The base model with the prompts that it is trained on and will be asked with."""
    loaded, _ = load_backbone(recipe.base, device="cpu", dtype=recipe.train.weights)
    if not isinstance(loaded, Trainable):
        raise ModelError(
            f"The base model must be a masked, causal or encoder-decoder model. Got a {loaded.kind} model; "
            "the bundled model has recipes of its own."
        )
    room = capacity(loaded.model) or 10**9
    length = recipe.data.length or min(512, room)
    slots = answer_tokens(recipe, loaded.kind)
    if length > room or length <= recipe.data.answer_length:
        raise InputError(
            f"data.length must be above data.answer_length ({recipe.data.answer_length}) and at most what the model "
            f"holds ({room}). Got {length}."
        )
    if slots > recipe.data.answer_length:
        raise InputError(f"answer_tokens must be at most data.answer_length. Got {slots}.")
    in_prompt = 0 if loaded.kind == "seq2seq" else slots
    options = PromptOptions(
        template=resolve_template(recipe.data.template), max_length=length - recipe.data.answer_length + in_prompt
    )
    return asker_of(loaded.kind, loaded.model, loaded.tokenizer, options, slots)


def answer_tokens(recipe: LanguageRecipe, kind: str) -> int:
    """Mask slots or generated tokens of the trained model."""
    return ANSWER_TOKENS[kind] if recipe.answer_tokens is None else recipe.answer_tokens


def asker_of(kind: str, model: Any, tokenizer: Any, options: PromptOptions, slots: int) -> Trainable:
    """A backbone around a model that is already in memory."""
    if kind == "masked":
        return MaskedBackbone(model, tokenizer, options, masks=slots)
    if kind == "causal":
        return CausalBackbone(model, tokenizer, options, answer_tokens=slots)
    return Seq2SeqBackbone(model, tokenizer, options, answer_tokens=slots)


def checkpoint_activations(model: Any) -> None:
    """Compute activations again in the backward pass instead of keeping them."""
    enable = getattr(model, "activation_checkpointing_enable", None)
    if enable is not None:
        enable({"use_reentrant": False})
    else:  # its name in earlier 5.x releases of transformers
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


def with_lora(model: Any, lora: Lora) -> Any:
    """The model with low-rank updates in place; only those are trained."""
    import peft

    targets = list(lora.modules) or "all-linear"
    config = peft.LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets)
    try:
        return peft.get_peft_model(model, config)
    except ValueError as error:
        raise InputError(f"lora.modules must name layers of the model. Got {lora.modules}: {error}") from None
