"""Our tasks as mteb 2.x tasks, from the same files and the same hub revisions, for any model that mteb runs.

| kind here | in mteb | the same |
|---|---|---|
| clustering | ``AbsTaskClusteringLegacy``: one mini-batch k-means over all rows | as protocol "published" |
| similarity | ``AbsTaskSTS`` | Spearman of the cosine |
| pairs | an ``AbsTaskSTS`` that gives every pair its own question as the prompt | Spearman of the cosine |
| triplets | a task of its own (mteb has no such type, it is listed under STS) | harmonic mean of the success rates |

mteb's newer ``AbsTaskClustering`` keeps 4 % of the rows by default and draws with replacement, so it is not used. A
prompt belongs to a task in mteb; where ours differs by row, the model is called once per question with the metadata
changed. Wording lists are many tasks of one set and stay with ``answerspace evaluate``; the reranking tests are in mteb
under the same names. Local data needs ``mteb.evaluate(..., cache=None)``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from answerspace.answers import Array
from answerspace.errors import InputError, MissingExtra
from answerspace.evaluation.scores import harmonic_mean, pair_spearman, triplet_success
from answerspace.evaluation.suites import select_tasks
from answerspace.evaluation.tasks.content import Clusters, Content, Pairs, Similarity, Triplets, read_content
from answerspace.evaluation.tasks.rows import Data
from answerspace.evaluation.tasks.task import Task
from answerspace.similarity import cosine

try:
    from datasets import Dataset, DatasetDict
    from mteb._create_dataloaders import create_dataloader
    from mteb.abstasks import AbsTask, AbsTaskClusteringLegacy, AbsTaskSTS
    from mteb.abstasks.task_metadata import TaskMetadata
except ModuleNotFoundError as error:
    raise MissingExtra("mteb tasks", "mteb") from error

PAIRED = "cosine_spearman"
LANGUAGE = "eng-Latn"
Scores = dict[str, float]


def mteb_tasks(suites: Sequence[str], data: Data, *, only: Sequence[str] = ()) -> list[Any]:
    """The tasks of our suites that mteb can hold, in order; InputError when there is none among them."""
    tasks = select_tasks(suites, data, only=only)
    made = [mteb_task(task, data) for task in tasks if task.kind in KINDS]
    if not made:
        kinds = ", ".join(sorted({task.kind for task in tasks}))
        raise InputError(f"An mteb task must be of kind {', '.join(KINDS)}. Got {kinds}.")
    return made


def mteb_task(task: Task, data: Data) -> Any:
    """One of our tasks as an mteb task. Its data is read and checked by us, when mteb first needs it."""
    if task.kind not in KINDS:
        raise InputError(f"An mteb task must be of kind {', '.join(KINDS)}. Got {task.name}, of kind {task.kind}.")
    base = KINDS[task.kind]
    if len(task.questions) > 1 and task.kind != "triplets":
        raise InputError(f"An mteb task must have one question. Got {len(task.questions)} in {task.name}.")
    name = "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", task.name))
    made = type(name, (base,), {"metadata": _metadata(task, base), "source": staticmethod(lambda: (task, data))})
    return made()


class _FromData:
    """Where a task's rows come from: our reader, in the place of mteb's download."""

    def load_data(self: Any, num_proc: int | None = None, **kwargs: Any) -> None:
        """Read and check the rows once."""
        if not self.data_loaded:
            task, data = self.source()
            self.dataset = {"default": DatasetDict({_split(task): self.rows(read_content(task, data))})}
            self.data_loaded = True

    def dataset_transform(self, **kwargs: Any) -> None:
        """Nothing to change."""


class ClusteringTask(_FromData, AbsTaskClusteringLegacy):  # type: ignore[misc]
    """V-measure of one mini-batch k-means over all rows, the mean over sets."""

    main = ("Clustering", "v_measure")

    @staticmethod
    def rows(content: Content) -> Any:
        """A row per set: its texts and its labels."""
        sets = [one for one in content if isinstance(one, Clusters)] if isinstance(content, list) else []
        numbers = [np.unique(one.labels, return_inverse=True)[1].tolist() for one in sets]
        return Dataset.from_dict({"sentences": [one.texts for one in sets], "labels": numbers})


class SimilarityTask(_FromData, AbsTaskSTS):  # type: ignore[misc]
    """People's ratings of pairs under one question."""

    main = ("STS", PAIRED)

    @staticmethod
    def rows(content: Content) -> Any:
        """A row per pair."""
        assert isinstance(content, Similarity)
        return Dataset.from_dict({"sentence1": content.first, "sentence2": content.second, "score": content.ratings})


class PairsTask(_FromData, AbsTaskSTS):  # type: ignore[misc]
    """Pairs under a question of their own, rated 1 if they agree under it and 0 if they differ."""

    main = ("STS", PAIRED)
    min_score, max_score = 0, 1

    @staticmethod
    def rows(content: Content) -> Any:
        """A row per rated pair."""
        assert isinstance(content, Pairs)
        columns = {"sentence1": content.first, "sentence2": content.second, "instruction": content.questions}
        return Dataset.from_dict(columns | {"score": content.ratings})

    def _evaluate_subset(self, model: Any, data_split: Any, *, hf_split: str, hf_subset: str, **kwargs: Any) -> Scores:
        rows: dict[str, list[int]] = {}
        for place, question in enumerate(data_split["instruction"]):
            rows.setdefault(question, []).append(place)
        first, second = list(data_split["sentence1"]), list(data_split["sentence2"])
        cosines = np.zeros(len(first))
        for question, places in rows.items():
            texts = [first[i] for i in places] + [second[i] for i in places]
            sides = _asked(self, model, texts, question, hf_split, hf_subset, kwargs)
            cosines[places] = cosine(*np.split(sides, 2))
        return {PAIRED: pair_spearman(cosines.astype(np.float32), np.array(data_split["score"])) / 100}


class TripletsTask(_FromData, AbsTask):  # type: ignore[misc]
    """Under each question the anchor must be nearer to the positive than to the negative."""

    main = ("STS", "harmonic_mean")
    abstask_prompt = "Retrieve semantically similar text."

    @staticmethod
    def rows(content: Content) -> Any:
        """A row per triplet and question."""
        found: dict[str, list[str]] = {name: [] for name in ("name", "instruction", "anchor", "positive", "negative")}
        for one in content if isinstance(content, list) else []:
            assert isinstance(one, Triplets)
            found["name"] += [one.name] * len(one.anchors)
            found["instruction"] += [one.question] * len(one.anchors)
            for column, texts in zip(
                ("anchor", "positive", "negative"), (one.anchors, one.positives, one.negatives), strict=True
            ):
                found[column] += texts
        return Dataset.from_dict(found)

    def _evaluate_subset(self, model: Any, data_split: Any, *, hf_split: str, hf_subset: str, **kwargs: Any) -> Scores:
        columns = data_split.to_dict()
        scores: Scores = {}
        for name in dict.fromkeys(columns["name"]):
            places = [i for i, one in enumerate(columns["name"]) if one == name]
            texts = [columns[side][i] for side in ("anchor", "positive", "negative") for i in places]
            question = columns["instruction"][places[0]]
            vectors = _asked(self, model, texts, question, hf_split, hf_subset, kwargs)
            scores[name] = float(triplet_success(*np.split(vectors, 3)).mean())
        return {"harmonic_mean": harmonic_mean(*scores.values()), **scores}

    def _calculate_descriptive_statistics_from_split(self, split: str, **kwargs: Any) -> dict[str, int]:
        return {"num_samples": len(self.dataset["default"][split])}

    def _push_dataset_to_hub(self, repo_name: str, **kwargs: Any) -> None:
        raise InputError(f"{self.metadata.name} cannot be pushed to the hub by mteb. Upload its files instead.")


KINDS: dict[str, Any] = {
    "clustering": ClusteringTask,
    "similarity": SimilarityTask,
    "pairs": PairsTask,
    "triplets": TripletsTask,
}


# --- small steps -------------------------------------------------------------------------------------------------


def _asked(
    task: Any, model: Any, texts: list[str], question: str, split: str, subset: str, options: Mapping[str, Any]
) -> Array:
    """(n, d) vectors of the texts, the question standing in the metadata as the task's prompt."""
    metadata = task.metadata.model_copy(update={"prompt": question})
    encode_kwargs = options.get("encode_kwargs") or {}
    loader = create_dataloader(Dataset.from_dict({"text": texts}), task_metadata=metadata, **encode_kwargs)
    vectors = model.encode(loader, task_metadata=metadata, hf_split=split, hf_subset=subset, **encode_kwargs)
    return np.asarray(vectors, np.float32)


def _metadata(task: Task, base: Any) -> Any:
    source, question = task.questions[0].source, task.questions[0].instruction
    kind, main = base.main
    path = source.hub or f"local/{re.sub(r'[^A-Za-z0-9._-]+', '-', source.file)}"
    return TaskMetadata(
        name=task.name,
        description=f"{task.metric}. {task.citation}",
        dataset={"path": path, "revision": source.revision or "local"},
        type=kind,
        category="t2c" if kind == "Clustering" else "t2t",
        prompt=question or None,
        eval_splits=[_split(task)],
        eval_langs=[LANGUAGE],
        main_score=main,
        reference="https://arxiv.org/abs/2402.09642" if "2402.09642" in task.citation else None,
        license="not specified",
    )


def _split(task: Task) -> str:
    return task.questions[0].source.split
