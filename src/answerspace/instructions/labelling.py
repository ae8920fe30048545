"""An instruction set with its task labels: what ``answerspace instructions label`` computes and writes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from answerspace.errors import InputError
from answerspace.instructions.english import EnglishExtractor
from answerspace.instructions.instruction_files import InstructionSet
from answerspace.instructions.synonyms import merged_labels
from answerspace.instructions.task_labels import Extractor, TaskLabel
from answerspace.tables import write_csv, write_parquet

WRITERS = (".csv", ".jsonl", ".parquet")


@dataclass(frozen=True)
class Labelling:
    """``labels`` holds for each instruction its labels, the main one first; ``tasks`` the main one after merging."""

    instructions: InstructionSet
    labels: list[list[TaskLabel]]
    tasks: list[str]

    @cached_property
    def counts(self) -> list[tuple[str, int]]:
        """The tasks and how many instructions each has, the most frequent first."""
        return sorted(Counter(self.tasks).items(), key=lambda item: (-item[1], item[0]))

    def frame(self) -> pl.DataFrame:
        """One row an instruction: row in the file, verb, noun, task, all steps, the instruction."""
        main = [labels[0] for labels in self.labels]
        return pl.DataFrame(
            {
                "row": [row.row for row in self.instructions.rows],
                "verb": [label.verb for label in main],
                "noun": [label.noun for label in main],
                "task": self.tasks,
                "steps": [[str(label) for label in labels] for labels in self.labels],
                "instruction": self.instructions.texts,
            },
            schema_overrides={"steps": pl.List(pl.String)},
        )

    def write(self, path: str | Path) -> None:
        """Write the frame as CSV (steps as a JSON list), JSON Lines or Parquet, by the suffix."""
        path = checked_output(path)
        frame = self.frame()
        if path.suffix == ".parquet":
            write_parquet(frame, path)
        elif path.suffix == ".csv":
            write_csv(frame, path)
        else:
            with path.open("w", encoding="utf-8") as file:
                for row in frame.iter_rows(named=True):
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")


def label_instructions(
    instructions: InstructionSet,
    extractor: Extractor | None = None,
    *,
    merge: bool = True,
    show_progress: bool = False,
) -> Labelling:
    """Label every instruction; ``merge`` gives synonymous labels one task name. The extractor is English by default."""
    if extractor is None or isinstance(extractor, EnglishExtractor):
        labels = (extractor or EnglishExtractor()).labels(instructions.texts, show_progress=show_progress)
    else:
        labels = extractor.labels(instructions.texts)
    main = [found[0] for found in labels]
    names = merged_labels(main) if merge else {label: str(label) for label in main}
    return Labelling(instructions, labels, [names[label] for label in main])


def checked_output(path: str | Path) -> Path:
    """The path, or an InputError when nothing can be written by its suffix or into its folder."""
    path = Path(path)
    if path.suffix not in WRITERS:
        raise InputError(f"--output must end in {', '.join(WRITERS)}. Got {path.name!r}.")
    if not path.parent.is_dir():
        raise InputError(f"--output must lie in a folder that exists. Got {str(path)!r}.")
    return path
