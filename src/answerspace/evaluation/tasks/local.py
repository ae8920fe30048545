"""Tasks from a data folder: sets written for this project, public corpora with an instruction per label column.

A folder describes itself in ``criteria.json``, in one of two forms (docs/evaluation.md):

    {"feedback.aspect": {"file": "feedback.jsonl", "field": "aspect", "question": "...", "labels": [...]}, ...}
    {"agnews_test": {"rows": 3000, "licence": "...", "criteria": {"topic": "What is the topic of the news?"}}, ...}
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from answerspace.errors import InputError
from answerspace.evaluation.tasks.inbedder import PAPER, V
from answerspace.evaluation.tasks.rows import Data, read_object
from answerspace.evaluation.tasks.task import Question, Source, Suite, Task, WordingSource

CRITERIA_FILE = "criteria.json"
WORDING_FILE = "robustness.json"
WRITTEN = "written for this project"
PUBLIC = "see the set's own page"
GENERIC_QUESTION = "What is the text about?"
EMOTION_QUESTION = "How does the customer feel?"
INTENT_QUESTION = "What does the customer need?"
# (anchor, positive, negative) per row, Appendix A of arXiv 2402.09642
EMOTION_TRIPLETS = (("u1_opt", "u2_opt", "u1_fru"), ("u1_fru", "u2_fru", "u1_opt"))
INTENT_TRIPLETS = (("u1_opt", "u1_fru", "u2_opt"), ("u1_fru", "u1_opt", "u2_fru"))
TOPICS = (  # corpora whose labels are topics: what a general embedder is good at
    "agnews_test.topic",
    "reuters21578.topic",
    "newsgroups20.newsgroup",
    "stackoverflow.tag",
    "dbpedia14_test.class",
    "amazon_multidomain.product",
)
# the entities asked about stand in columns of their own; they are appended as in the published FewRel and FewNerd
PATTERNS = {
    "fewrel_val": "{text} The relation between {head} and {tail}.",
    "wnut17_entity_type_test": "{text} The entity type of {entity}.",
}


def written_suite(data: Data) -> Suite:
    """Triplets, pairs, one clustering per criterion, and the wording lists where the folder has them."""
    folder = "written"
    crossed, pairs = Source("intent_emotion.jsonl", folder), Source("instruct_sts.jsonl", folder)
    tasks = [
        Task(
            "written.triplets",
            "written",
            "triplets",
            (
                Question("emotion", EMOTION_QUESTION, crossed, EMOTION_TRIPLETS),
                Question("intent", INTENT_QUESTION, crossed, INTENT_TRIPLETS),
            ),
            "harmonic mean of the success rates of the two questions",
            WRITTEN,
            PAPER,
        ),
        Task(
            "written.pairs",
            "written",
            "pairs",
            (Question("question", "", pairs, (("s1", "s2", "q_diff", "=0"), ("s1", "s2", "q_same", "=1"))),),
            "Spearman correlation of the cosine with 0 (differ) and 1 (agree)",
            WRITTEN,
            PAPER,
        ),
    ]
    criteria = [task for tasks_of_file in _criteria(data, folder, "written").values() for task in tasks_of_file]
    wordings = data.find(WORDING_FILE, folder)
    known = {} if wordings is None else read_object(wordings)
    lists = [_worded(task, known[task.name], wordings) for task in criteria if task.name in known]
    return Suite("written", SUITES["written"], (*tasks, *criteria, *lists))


def corpora_suite(data: Data) -> Suite:
    """Every label column of every corpus at its own instruction."""
    found = _criteria(data, "corpora", "corpora")
    return Suite("corpora", SUITES["corpora"], tuple(task for tasks in found.values() for task in tasks))


def generic_suite(data: Data) -> Suite:
    """Topic corpora and STS-B, all at GENERIC_QUESTION."""
    by_name = {task.name: task for tasks in _criteria(data, "corpora", "generic-local").values() for task in tasks}
    missing = [name for name in TOPICS if name not in by_name]
    if missing:
        raise InputError(f"{CRITERIA_FILE} must describe {', '.join(TOPICS)}. Got none of {', '.join(missing)}.")
    tasks = []
    for name in TOPICS:
        task, question = by_name[name], by_name[name].questions[0]
        asked = Question(question.name, GENERIC_QUESTION, question.source, question.columns)
        tasks.append(replace(task, name=f"generic.{name}", questions=(asked,)))
    columns = (("text1", "text2", "score"),)
    question = Question("score", GENERIC_QUESTION, Source("stsb_test.parquet", "corpora"), columns)
    metric = "Spearman correlation of the cosine with people's ratings"
    sts = Task("generic.stsb_test", "generic-local", "similarity", (question,), metric, "CC BY-SA 4.0", PUBLIC)
    return Suite("generic-local", SUITES["generic-local"], (*tasks, sts))


def multicriteria_suite(data: Data) -> Suite:
    """One task per corpus of a folder that has two or more criteria for all its texts."""
    tasks = []
    for stem, of_file in _criteria(data, "written", "multicriteria").items():
        whole = [task for task in of_file if not _has_gaps(task, data)]
        if len(whole) > 1:
            questions = tuple(
                Question(task.name.split(".")[-1], q.instruction, q.source, q.columns, q.labels)
                for task in whole
                for q in task.questions
            )
            first = whole[0]
            metric = f"harmonic mean over the criteria of the {V}"
            tasks.append(
                Task(stem, "multicriteria", "criteria", questions, metric, first.licence, first.citation, first.rows)
            )
    if not tasks:
        raise InputError("The multicriteria suite needs a corpus with at least two criteria. Got none in --data.")
    return Suite("multicriteria", SUITES["multicriteria"], tuple(tasks))


SUITES = {
    "written": "triplets, pairs and criteria written for this project, with other wordings of each question",
    "corpora": "public corpora, one clustering per label column",
    "generic-local": f"topics of public corpora and STS-B under {GENERIC_QUESTION!r}, beside all-MiniLM",
    "multicriteria": "one corpus under several questions: V-measure by each, and how much the space moves",
}


# --- criteria.json -----------------------------------------------------------------------------------------------


def _criteria(data: Data, folder: str, suite: str) -> dict[str, list[Task]]:
    """The clustering tasks that criteria.json describes, by corpus."""
    path = data.find(CRITERIA_FILE, folder)
    if path is None:
        raise InputError(f"The {suite} suite needs a --data folder with {CRITERIA_FILE}. Got {data.folder}.")
    found: dict[str, list[Task]] = {}
    for name, value in read_object(path).items():
        where = f"{path}, criterion {name!r}"
        if not isinstance(value, dict):
            raise InputError(f"{where}: must be an object. Got {type(value).__name__}.")
        if "criteria" in value:
            found[name] = _corpus_tasks(name, value, where, folder, suite)
        elif value.get("field", "") is not None:  # null: described, but without a label column
            found.setdefault(name.split(".")[0], []).append(_written_task(name, value, where, folder, suite))
    return found


def _written_task(name: str, value: dict[str, Any], where: str, folder: str, suite: str) -> Task:
    for key in ("file", "field", "question"):
        _checked_string(value, key, where)
    labels = value.get("labels")
    if not isinstance(labels, list) or len(labels) < 2 or not all(isinstance(one, str) for one in labels):
        raise InputError(f"{where}: 'labels' must list at least two names. Got {labels!r}.")
    source = Source(value["file"], folder)
    question = Question(name, value["question"], source, (("text", value["field"]),), labels=tuple(labels))
    return Task(name, suite, "clustering", (question,), V, WRITTEN, WRITTEN, classes=len(labels))


def _corpus_tasks(name: str, value: dict[str, Any], where: str, folder: str, suite: str) -> list[Task]:
    criteria, rows = value["criteria"], value.get("rows", 0)
    if not isinstance(criteria, dict) or not all(isinstance(one, str) for one in criteria.values()):
        raise InputError(f"{where}: 'criteria' must map columns to instructions. Got {criteria!r:.80}.")
    if not isinstance(rows, int):
        raise InputError(f"{where}: 'rows' must be a whole number. Got {rows!r}.")
    text = PATTERNS.get(name, "text")
    source = Source(f"{name}.parquet", folder)
    return [
        Task(
            name=f"{name}.{column}",
            suite=suite,
            kind="clustering",
            questions=(Question(f"{name}.{column}", instruction, source, ((text, column),), optional=True),),
            metric=V,
            licence=str(value.get("licence", "not stated")),
            citation=PUBLIC,
            rows=rows,
        )
        for column, instruction in criteria.items()
        if column not in ("score", "answer")  # pairs and open answers, which are no clusterings
    ]


def _worded(task: Task, lists: Any, path: Path | None) -> Task:
    original = lists.get("original") if isinstance(lists, dict) else None
    question = task.questions[0]
    if original is not None and original != question.instruction:
        raise InputError(
            f"{path}, {task.name!r}: 'original' must be the question of {CRITERIA_FILE}, {question.instruction!r}. "
            f"Got {original!r}."
        )
    return replace(
        task,
        name=f"{task.name}.wording",
        kind="lists",
        metric=f"{V}; mean over correct minus mean over incorrect instructions",
        wording=WordingSource(WORDING_FILE, task.name, question.source.folder),
    )


def _has_gaps(task: Task, data: Data) -> bool:
    question = task.questions[0]
    column = question.columns[0][1]
    return question.optional and any(row.get(column) is None for row in data.rows(question.source).rows)


def _checked_string(value: dict[str, Any], key: str, where: str) -> None:
    if not isinstance(value.get(key), str) or not value[key].strip():
        raise InputError(f"{where}: {key!r} must be a non-empty string. Got {value.get(key)!r}.")
