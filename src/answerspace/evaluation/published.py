"""Numbers that others published, to stand beside ours and never among them.

Source of every number: P = the paper's Tables 1 and 2 (arXiv 2402.09642) · R = the authors' result files, public in
the first commit (e7747148) of zhang-yu-wei/InBedder. Their protocol is one mini-batch k-means run on raw vectors.
"""

from __future__ import annotations

from collections.abc import Sequence

from answerspace.evaluation.results import PublishedRow
from answerspace.evaluation.tasks.task import Task

PAPER = "arXiv 2402.09642, Tables 1 and 2"
FILES = "authors' result files (zhang-yu-wei/InBedder, e7747148)"
SHOWN = ("e5-large-v2", "instructor-large", "roberta-large-InBedder", "llama-2-7b-InBedder")  # columns of a table

# InstructSTSB, emotion, intent, IntentEmotion, NYT topic, NYT location, NYT, average
TABLE_1 = {
    "e5-large-v2": (0.00, 81.43, 18.57, 30.24, 49.39, 50.78, 50.07, 26.77),
    "instructor-large": (-15.02, 37.61, 66.17, 47.96, 44.72, 56.59, 49.96, 27.63),
    "roberta-large-alpaca": (8.43, 96.12, 85.21, 90.34, 27.05, 17.98, 21.60, 40.12),
    "roberta-large-InBedder": (14.81, 90.39, 91.77, 91.07, 49.91, 52.52, 51.18, 52.35),
    "opt-1.3b-alpaca": (-1.81, 66.44, 77.40, 71.51, 11.01, 15.53, 12.88, 27.53),
    "opt-1.3b-InBedder": (7.47, 90.34, 89.58, 89.96, 49.58, 57.22, 53.13, 50.19),
    "opt-2.7b-alpaca": (3.95, 73.65, 76.59, 75.09, 18.60, 10.38, 13.32, 30.79),
    "opt-2.7b-InBedder": (10.45, 91.59, 78.49, 84.54, 54.33, 65.59, 59.43, 51.47),
    "llama-2-7b-chat (re-enc)": (16.56, 80.06, 78.59, 79.32, 41.38, 22.81, 29.41, 41.76),
    "llama-2-13b-chat (re-enc)": (19.76, 84.30, 65.31, 73.60, 36.76, 29.51, 32.74, 42.03),
    "llama-2-7b w/o-process": (21.10, 94.74, 74.87, 83.64, 45.33, 62.98, 52.72, 52.49),
    "llama-2-7b-InBedder": (22.07, 95.29, 84.69, 89.68, 60.37, 69.59, 64.65, 58.80),
}
AWARENESS_ROWS = (
    ("InstructSTSB", "spearman", PAPER),
    ("IntentEmotion", "emotion", FILES),
    ("IntentEmotion", "intent", FILES),
    ("IntentEmotion", "harmonic_mean", PAPER),
    ("NYTTopicClustering", "v_measure", FILES),
    ("NYTLocationClustering", "v_measure", FILES),
    ("awareness", "NYT", PAPER),
    ("awareness", "average", PAPER),
)
# AskUbuntu, SciDocs, StackOverflow, 20 Newsgroups, average; then V of RateMyProf, Feedbacks, FewRel, FewNerd, FewEvent
TABLE_2 = {
    "e5-large-v2": (59.01, 83.84, 50.60, 47.94, 60.35, 4.3, 15.5, 54.1, 36.8, 58.5),
    "instructor-large": (63.48, 81.83, 50.50, 53.51, 62.33, 3.1, 21.5, 52.9, 41.7, 63.4),
    "roberta-large-alpaca": (56.29, 73.02, 41.66, 40.61, 52.90, 4.4, 2.5, 55.1, 54.6, 67.1),
    "roberta-large-InBedder": (55.50, 73.80, 41.00, 41.93, 53.06, 3.5, 27.0, 60.3, 49.0, 60.4),
    "opt-1.3b-alpaca": (55.89, 69.68, 42.43, 38.49, 51.62, 2.4, 11.7, 40.1, 32.8, 47.4),
    "opt-1.3b-InBedder": (59.09, 71.33, 43.08, 46.45, 54.99, 6.2, 20.3, 54.5, 46.1, 61.5),
    "opt-2.7b-alpaca": (55.65, 76.26, 42.45, 32.11, 51.62, 2.1, 2.8, 39.5, 23.6, 41.5),
    "opt-2.7b-InBedder": (59.94, 75.33, 41.93, 49.07, 56.57, 9.6, 32.9, 60.3, 52.7, 60.4),
    "llama-2-7b-chat (re-enc)": (55.26, 75.81, 41.43, 25.34, 49.46, 1.5, 3.7, 37.3, 37.4, 32.3),
    "llama-2-13b-chat (re-enc)": (53.69, 77.64, 38.84, 30.77, 50.24, 1.2, 1.7, 45.7, 40.9, 48.1),
    "llama-2-7b w/o-process": (61.25, 83.13, 44.39, 50.68, 59.86, 21.0, 34.7, 63.4, 61.3, 60.6),
    "llama-2-7b-InBedder": (60.32, 80.61, 44.77, 52.33, 59.51, 19.7, 43.2, 64.6, 61.5, 57.6),
}
GENERIC_ROWS = (
    ("AskUbuntuDupQuestions", "map", PAPER),
    ("SciDocsRR", "map", PAPER),
    ("StackOverflowDupQuestions", "map", PAPER),
    ("TwentyNewsgroupsClustering", "v_measure", PAPER),
    ("generic", "average", PAPER),
    ("RateMyProfClustering", "v_measure", FILES),
    ("FeedbacksClustering", "v_measure", FILES),
    ("FewRelClustering", "v_measure", FILES),
    ("FewNerdClustering", "v_measure", FILES),
    ("FewEventClustering", "v_measure", FILES),
)
# set -> system -> mean V correct, implicit, incorrect, then both deltas by the authors' minimum and maximum
WORDINGS = {
    "NYTTopicRobustness": {
        "llama-2-7b-InBedder": (48.5, 48.8, 37.6, -11.2, -22.5),
        "instructor-large": (47.8, 47.0, 47.1, -14.1, -11.6),
        "llama-2-7b-chat (re-enc)": (37.5, 26.6, 21.4, -11.6, -35.6),
    },
    "FeedbacksRobustness": {
        "llama-2-7b-InBedder": (29.0, 25.5, 23.0, -19.5, -18.7),
        "instructor-large": (24.7, 23.0, 26.6, -16.8, -16.0),
        "llama-2-7b-chat (re-enc)": (3.7, 6.9, 2.9, -5.6, -5.9),
    },
    "RateMyProfRobustness": {
        "llama-2-7b-InBedder": (12.9, 13.3, 3.6, -2.4, 2.5),
        "instructor-large": (5.0, 5.7, 3.9, -4.4, -4.3),
        "llama-2-7b-chat (re-enc)": (1.3, 1.8, 0.7, -1.5, -0.7),
    },
    "FewRelRobustness": {
        "llama-2-7b-InBedder": (62.9, 60.9, 51.2, 0.8, -1.4),
        "instructor-large": (51.8, 51.9, 51.0, -4.3, -3.9),
        "llama-2-7b-chat (re-enc)": (55.3, 51.3, 36.7, -2.7, -12.1),
    },
    "FewNerdRobustness": {
        "llama-2-7b-InBedder": (56.1, 52.3, 34.8, 4.7, -1.3),
        "instructor-large": (42.5, 41.6, 40.7, -2.4, -4.2),
        "llama-2-7b-chat (re-enc)": (36.4, 34.8, 17.3, -5.2, -6.7),
    },
    "FewEventRobustness": {
        "llama-2-7b-InBedder": (58.4, 59.5, 58.5, -3.6, -3.6),
        "instructor-large": (63.5, 64.1, 59.4, 0.7, 1.8),
        "llama-2-7b-chat (re-enc)": (35.1, 46.6, 36.7, -22.9, -18.4),
    },
}


def published_rows(tasks: Sequence[Task]) -> list[PublishedRow]:
    """What was published on these tasks and their suites; nothing for a task that is not comparable."""
    known = {task.name for task in tasks if task.comparable} | {task.suite for task in tasks if task.comparable}
    found = [
        PublishedRow(system, task, measure, value, source)
        for table, rows in ((TABLE_1, AWARENESS_ROWS), (TABLE_2, GENERIC_ROWS))
        for system, values in table.items()
        for (task, measure, source), value in zip(rows, values, strict=True)
        if task in known
    ]
    for task, systems in WORDINGS.items():
        if task in known:
            found += [row for system, values in systems.items() for row in _wordings(task, system, values)]
    return found


def _wordings(task: str, system: str, values: tuple[float, ...]) -> list[PublishedRow]:
    correct, implicit, incorrect, least_correct, least_implicit = values
    measures = {
        "v_correct": correct,
        "v_implicit": implicit,
        "v_incorrect": incorrect,
        "delta_correct": round(correct - incorrect, 1),
        "delta_implicit": round(implicit - incorrect, 1),
        "delta_correct_min_max": least_correct,
        "delta_implicit_min_max": least_implicit,
    }
    return [PublishedRow(system, task, measure, value, FILES) for measure, value in measures.items()]
