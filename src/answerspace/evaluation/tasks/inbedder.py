"""The tasks of the InBedder paper (arXiv 2402.09642): awareness, robustness and generic quality.

Ids, revisions and instructions are those of the authors' evaluation (zhang-yu-wei/InBedder, commit 3d95d4fa).
"""

from __future__ import annotations

from answerspace.evaluation.tasks.task import Question, Source, Suite, Task, WordingSource

PAPER = "Peng et al. 2024, Answer is All You Need, arXiv 2402.09642"
MTEB = "Muennighoff et al. 2023, MTEB, arXiv 2210.07316"
CODE = "https://raw.githubusercontent.com/zhang-yu-wei/InBedder/3d95d4fa/mteb/tasks/Clustering"
WORDING_FILE = "robust_instructions.json"
V = "V-measure of k-means with as many clusters as labels"
MAP = "mean average precision by cosine"

# name, local file, hub id, revision, config, rows, labels, instruction, licence
SETS = (
    (
        "NYTTopicClustering",
        "nyt_topic.jsonl",
        "BrandonZYW/NYTClustering",
        "462fb544c8993a0421fd969a7a0f19f1fbd975bf",
        "topic",
        2160,
        9,
        "What is the topic of news?",
        "texts: LDC copyright",
    ),
    (
        "NYTLocationClustering",
        "nyt_location.jsonl",
        "BrandonZYW/NYTClustering",
        "462fb544c8993a0421fd969a7a0f19f1fbd975bf",
        "location",
        2160,
        10,
        "Where did the news happen?",
        "texts: LDC copyright",
    ),
    (
        "RateMyProfClustering",
        "ratemyprof.jsonl",
        "BrandonZYW/RateMyProfClustering",
        "253b8501d191f7c3d3aff3bc27c6d7f7112589ba",
        "",
        2296,
        4,
        "Here is a student review on the course and the professor. Categorize the aspect the student is discussing "
        "about.",
        "not stated",
    ),
    (
        "FeedbacksClustering",
        "feedbacks.jsonl",
        "BrandonZYW/FeedbacksClustering",
        "365ef3e171ad4dab887b08495b10940a1aecb04b",
        "",
        756,
        3,
        "Here is a human feedback on machine-generated text. Categorize the type of reason why the human like or "
        "dislike it.",
        "not stated",
    ),
    (
        "FewRelClustering",
        "fewrel.jsonl",
        "BrandonZYW/FewRelClustering",
        "d951bf6cb10522c042bf8db3a837028b7e69388f",
        "",
        4480,
        64,
        "Here is a sentence. Please tell me the relation type between two specified entities appended after the "
        "sentence.",
        "MIT",
    ),
    (
        "FewNerdClustering",
        "fewnerd.jsonl",
        "BrandonZYW/FewNerdClustering",
        "9dff096e4ca4dd38688236fa1d4e4c17cb547e66",
        "",
        3789,
        58,
        "Here is a sentence. Please tell me the type of the specified entity appended after the sentence.",
        "CC BY-SA 4.0",
    ),
    (
        "FewEventClustering",
        "fewevent.jsonl",
        "BrandonZYW/FewEventClustering",
        "aecc9c3ad7ae8d05b8621390d1919f1816eab777",
        "",
        4742,
        34,
        "Here is a sentence. Please tell me the type of the specified event according to the trigger words appended "
        "after the sentence.",
        "not stated",
    ),
)
NYT = ("NYTTopicClustering", "NYTLocationClustering")
LOCAL = ("FewRelClustering", "FewNerdClustering", "FeedbacksClustering")  # the sets that are at hand without the hub
WORDED = tuple(one[0] for one in SETS if one[0] != "NYTLocationClustering")
INTENT_EMOTION = ("BrandonZYW/IntentEmotion", "d0101c15083166b77371cf542c4045decc0a6e92")
INSTRUCT_STSB = ("BrandonZYW/InstructSTSB", "34dda81eca082ba6b3a259899fe9ae435b6ea1ae")
# name, local file, hub id, revision, instruction, licence
RERANKING = (
    (
        "AskUbuntuDupQuestions",
        "askubuntu.jsonl",
        "mteb/askubuntudupquestions-reranking",
        "2000358ca161889fa9c082cb41daa8dcfb161a54",
        "What does the user want?",
        "not stated",
    ),
    (
        "SciDocsRR",
        "scidocs.jsonl",
        "mteb/scidocs-reranking",
        "d3c5e1fc0b855ab6097bf1cda04dd73947d7caab",
        "What is the paper about based on the title?",
        "CC BY 4.0",
    ),
    (
        "StackOverflowDupQuestions",
        "stackoverflow_dup.jsonl",
        "mteb/stackoverflowdupquestions-reranking",
        "e185fbe320c72810689fc5848eb6114e1ef5ec69",
        "What does the user want?",
        "not stated",
    ),
)


def clustering_task(name: str, suite: str, *, folder: str = "", worded: bool = False) -> Task:
    """A set of SETS at the authors' instruction, or (``worded``) at their thirty other instructions as well.

    ``folder`` is the sub-folder of the data folder in which its file may also be.
    """
    _, file, hub, revision, config, rows, classes, instruction, licence = next(one for one in SETS if one[0] == name)
    source = Source(file, folder, hub, revision, config)
    return Task(
        name=name.replace("Clustering", "Robustness") if worded else name,
        suite=suite,
        kind="lists" if worded else "clustering",
        questions=(Question(name, instruction, source, (("text", "cluster"),)),),
        metric=f"{V}; mean over correct minus mean over incorrect instructions" if worded else V,
        licence=licence,
        citation=PAPER,
        rows=rows,
        classes=classes,
        comparable=True,
        wording=WordingSource(WORDING_FILE, name, folder, f"{CODE}/{name}.py") if worded else None,
    )


def _intent_emotion() -> Task:
    columns = (("anchor", "positive", "negative"),)

    def question(name: str, instruction: str) -> Question:
        return Question(name, instruction, Source(f"{name}.jsonl", "", *INTENT_EMOTION, name), columns)

    return Task(
        "IntentEmotion",
        "awareness",
        "triplets",
        (question("emotion", "How does the customer feel?"), question("intent", "What does the customer need?")),
        "harmonic mean of the success rates of the two questions",
        "MIT; BANKING77 CC BY 4.0",
        PAPER,
        rows=6160,
        comparable=True,
    )


def _instruct_stsb() -> Task:
    source = Source("instruct_stsb.jsonl", "", *INSTRUCT_STSB)
    columns = (("sentence1", "sentence2", "instruction", "score"),)
    return Task(
        "InstructSTSB",
        "awareness",
        "pairs",
        (Question("instruction", "", source, columns),),
        "Spearman correlation of the cosine with 0 (the question tells the pair apart) and 1 (it does not)",
        "MIT",
        PAPER,
        rows=2758,
        comparable=True,
    )


def _reranking(name: str, file: str, hub: str, revision: str, instruction: str, licence: str) -> Task:
    question = Question(name, instruction, Source(file, "", hub, revision), (("query", "positive", "negative"),))
    return Task(name, "generic", "reranking", (question,), MAP, licence, MTEB, comparable=True)


def _newsgroups() -> Task:
    hub = ("mteb/twentynewsgroups-clustering", "6125ec4e24fa026cec8a478383ee943acfbd5449")
    source = Source("twentynewsgroups.jsonl", "", *hub)
    instruction = "Categorize the topic of the news article."
    question = Question("topic", instruction, source, (("sentences", "labels"),), lists=True)
    metric = f"{V}, mean over the sets"
    return Task(
        "TwentyNewsgroupsClustering", "generic", "clustering", (question,), metric, "public", MTEB, comparable=True
    )


AWARENESS = Suite(
    "awareness",
    "the paper's Table 1: IntentEmotion, InstructSTSB, NYT by topic and by location",
    (_instruct_stsb(), _intent_emotion(), *(clustering_task(name, "awareness") for name in NYT)),
)
ROBUSTNESS = Suite(
    "robustness",
    "the paper's Fig. 5: six sets under 10 correct, 10 implicit and 10 incorrect instructions",
    tuple(clustering_task(name, "robustness", worded=True) for name in WORDED),
)
GENERIC = Suite(
    "generic",
    "the paper's Table 2: duplicate questions, scientific documents, newsgroups",
    (*(_reranking(*one) for one in RERANKING), _newsgroups()),
)
INBEDDER_LOCAL = Suite(
    "inbedder-local",
    "FewRel, FewNerd and Feedbacks from a folder: the authors' instruction, and their thirty others",
    (
        *(clustering_task(name, "inbedder-local", folder="inbedder") for name in LOCAL),
        *(clustering_task(name, "inbedder-local", folder="inbedder", worded=True) for name in LOCAL),
    ),
)
