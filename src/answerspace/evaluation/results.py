"""What an evaluation gives, as plain values and as one JSON document (docs/evaluation.md describes every key).

Everything a person reads is times 100. The document holds all that a table, a plot or a page needs: nothing has to be
encoded or loaded again to draw it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from answerspace.errors import InputError
from answerspace.evaluation.scores import Score

FORMAT = 1
DOCUMENT = "results.json"


@dataclass(frozen=True)
class InstructionScore:
    """V-measure x 100 under one instruction of a wording list, one value per k-means seed.

    ``kind`` is "original", "correct", "implicit" or "incorrect".
    """

    instruction: str
    kind: str
    values: list[float]


@dataclass(frozen=True)
class TaskResult:
    """One encoder on one task. The first of ``measures`` is the main one; ``seeds`` holds values per k-means seed."""

    task: str
    encoder: str
    protocol: str  # the sentence that says how the numbers were made
    measures: dict[str, Score]
    seeds: dict[str, list[float]] = field(default_factory=dict)
    instructions: list[InstructionScore] = field(default_factory=list)
    texts: int = 0  # distinct texts encoded
    seconds: float = 0.0

    @property
    def main(self) -> Score:
        """The score a table shows when it shows one."""
        return next(iter(self.measures.values()))


@dataclass(frozen=True)
class Summary:
    """A number over several tasks of a suite, such as the mean V-measure."""

    suite: str
    measure: str
    encoder: str
    score: Score
    tasks: list[str]


@dataclass(frozen=True)
class Difference:
    """``encoder`` minus ``against`` on the same items; ``scope`` is a task's or a suite's name."""

    scope: str
    measure: str
    encoder: str
    against: str
    score: Score


@dataclass(frozen=True)
class PublishedRow:
    """A number someone else published. Never measured here, always shown with its source."""

    system: str
    task: str
    measure: str
    value: float
    source: str


@dataclass(frozen=True)
class EncoderFacts:
    """``role`` is "model" or "baseline". ``options`` say what was varied: model, layer, aggregation, filter, join."""

    name: str
    role: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """One run: encoders x tasks under one protocol. ``protocol`` and ``tasks`` are the values as plain dicts."""

    facts: dict[str, str]
    protocol: dict[str, Any]
    tasks: list[dict[str, Any]]
    encoders: list[EncoderFacts]
    results: list[TaskResult]
    summaries: list[Summary] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    published: list[PublishedRow] = field(default_factory=list)

    def result(self, task: str, encoder: str) -> TaskResult | None:
        """The result of one encoder on one task, or None."""
        return next((one for one in self.results if (one.task, one.encoder) == (task, encoder)), None)


def to_document(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as plain JSON values; every result also carries the keys of an mteb 2.x task result."""
    tasks = {task["name"]: task for task in evaluation.tasks}
    plain = {one.name: getattr(evaluation, one.name) for one in fields(evaluation)}
    lists = {
        name: [asdict(one) for one in plain[name]] for name in ("encoders", "summaries", "differences", "published")
    }
    results = [result_to_json(one, tasks.get(one.task, {})) for one in evaluation.results]
    return {"format": FORMAT, **plain, **lists, "results": results}


def from_document(document: Mapping[str, Any], where: str = DOCUMENT) -> Evaluation:
    """The evaluation that ``to_document`` wrote; InputError for anything else."""
    if document.get("format") != FORMAT:
        raise InputError(f"{where}: 'format' must be {FORMAT}. Got {document.get('format')!r}; run evaluate again.")
    try:
        return Evaluation(
            facts=dict(document["facts"]),
            protocol=dict(document["protocol"]),
            tasks=list(document["tasks"]),
            encoders=[EncoderFacts(**one) for one in document["encoders"]],
            results=[result_from_json(one) for one in document["results"]],
            summaries=[Summary(**one | {"score": Score(**one["score"])}) for one in document["summaries"]],
            differences=[Difference(**one | {"score": Score(**one["score"])}) for one in document["differences"]],
            published=[PublishedRow(**one) for one in document["published"]],
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{where} must be a document that evaluate wrote. Got one without {error}.") from None


def result_to_json(result: TaskResult, task: Mapping[str, Any]) -> dict[str, Any]:
    """A result with mteb's keys (scores as fractions of 1 under the split) and, beside them, ours (times 100)."""
    fractions = {name: score.value / 100 for name, score in result.measures.items()}
    if len(result.seeds.get("v_measure", [])) > 1:
        fractions["v_measure_std"] = result.measures["v_measure"].high / 100 - fractions["v_measure"]
    source = task.get("source", {})
    scores = {"main_score": result.main.value / 100, **fractions, "hf_subset": "default", "languages": ["eng-Latn"]}
    return {
        "task_name": result.task,
        "dataset_revision": source.get("revision") or "local",
        "mteb_version": None,
        "scores": {source.get("split") or "test": [scores]},
        "evaluation_time": result.seconds,
        "kg_co2_emissions": None,
        "encoder": result.encoder,
        "protocol": result.protocol,
        "measures": {name: asdict(score) for name, score in result.measures.items()},
        "seeds": result.seeds,
        "instructions": [asdict(one) for one in result.instructions],
        "texts": result.texts,
    }


def result_from_json(value: Mapping[str, Any]) -> TaskResult:
    """The result that ``result_to_json`` wrote."""
    return TaskResult(
        task=value["task_name"],
        encoder=value["encoder"],
        protocol=value["protocol"],
        measures={name: Score(**score) for name, score in value["measures"].items()},
        seeds={name: list(values) for name, values in value["seeds"].items()},
        instructions=[InstructionScore(**one) for one in value["instructions"]],
        texts=value["texts"],
        seconds=value["evaluation_time"],
    )


def read_evaluation(path: str | Path) -> Evaluation:
    """The document of a folder that ``answerspace evaluate --output`` wrote, or of the file itself."""
    path = Path(path)
    path = path / DOCUMENT if path.is_dir() else path
    try:
        return from_document(json.loads(path.read_text(encoding="utf-8")), str(path))
    except FileNotFoundError:
        raise InputError(f"{path} must exist. Got no such file; run answerspace evaluate --output first.") from None
    except (OSError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} must be a JSON document that evaluate wrote. Got: {error}.") from None
