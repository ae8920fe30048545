"""mteb 2.x, offline: our embedder as its model, our tasks as its tasks, and mteb's numbers equal to ours."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import HOW, TABLE, TEXTS, WHAT

from answerspace import Embedder, InputError, MissingExtra
from answerspace.backbones.fake import FakeBackbone
from answerspace.evaluation.encoders.contenders import Contender
from answerspace.evaluation.protocol import make_protocol
from answerspace.evaluation.results import EncoderFacts
from answerspace.evaluation.run import evaluate
from answerspace.evaluation.suites import select_tasks
from answerspace.evaluation.tasks.rows import Data
from answerspace.evaluation.tasks.task import Question, Source, Task

# what mteb and its own dependencies warn of when they are imported or run is theirs to mend
pytestmark = pytest.mark.filterwarnings("default")

DATA = Path(__file__).parent / "data" / "written_small"
CLUSTERING = {"notes.place": "Where does it happen?", "notes.mood": "What is the mood?"}


@pytest.fixture(scope="module")
def ours() -> Any:
    from answerspace.evaluation.mteb.model import MtebEncoder

    return MtebEncoder("fake", embedder=Embedder(FakeBackbone(TABLE)))


def run(model: Any, tasks: list[Any]) -> dict[str, dict[str, Any]]:
    """Task name -> its scores, by mteb itself."""
    import mteb

    found = mteb.evaluate(model, tasks, cache=None, co2_tracker=False, show_progress_bar=False)
    return {one.task_name: one.scores["test"][0] for one in found.task_results}


class Asks:
    """An encoder that keeps the questions; its vectors are drawn from text and question."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[str, ...], Any]] = []
        self.backbone = FakeBackbone()
        self.dimension = 8

    def encode(self, texts, instruction, *, paired=False, batch_size=32):
        self.asked.append((tuple(texts), instruction))
        return np.ones((len(texts), self.dimension), np.float32)


def metadata(**changes: Any) -> Any:
    from answerspace.evaluation.mteb.tasks import mteb_task

    task = mteb_task(select_tasks(["written"], Data(DATA), only=["notes.place"])[0], Data(DATA))
    return task.metadata.model_copy(update=changes)


# --- the model ---------------------------------------------------------------------------------------------------


def test_the_encoder_is_what_mteb_calls_an_encoder(ours):
    from mteb.models import EncoderProtocol

    assert isinstance(ours, EncoderProtocol)
    meta = ours.mteb_model_meta
    assert (meta.name, meta.embed_dim, meta.use_instructions) == ("answerspace/fake", 64, True)
    assert ours.model.backbone.fingerprint[:16] in meta.revision


def test_the_prompt_of_the_task_is_the_question(ours):
    batches = [{"text": TEXTS[:3]}, {"text": TEXTS[3:]}]
    for question in (WHAT, HOW):
        found = ours.encode(
            batches, task_metadata=metadata(prompt=question), hf_split="test", hf_subset="default", batch_size=2
        )
        np.testing.assert_array_equal(found, ours.model.encode(TEXTS, question))


@pytest.mark.parametrize(
    ("prompts", "prompt", "side", "question"),
    [
        ({}, "The task's own?", None, "The task's own?"),
        ({"notes.place": "By name?"}, "The task's own?", None, "By name?"),
        ({"Clustering": "By type?"}, "The task's own?", None, "By type?"),
        ({}, {"query": "As a query?", "document": "As a document?"}, "document", "As a document?"),
    ],
)
def test_which_question_is_asked(prompts, prompt, side, question):
    from mteb.types import PromptType

    from answerspace.evaluation.mteb.model import MtebEncoder

    asks = Asks()
    model = MtebEncoder("fake", embedder=asks, prompts=prompts)
    prompt_type = None if side is None else PromptType[side]
    model.encode(
        [{"text": ["a"]}],
        task_metadata=metadata(prompt=prompt),
        hf_split="test",
        hf_subset="default",
        prompt_type=prompt_type,
    )
    assert asks.asked == [(("a",), question)]


def test_a_query_with_an_instruction_of_its_own_is_asked_that():
    from answerspace.evaluation.mteb.model import MtebEncoder

    asks = Asks()
    batch = {"text": ["a Who?", "b"], "query": ["a", "b"], "instruction": ["Who?", ""]}
    MtebEncoder("fake", embedder=asks).encode(
        [batch], task_metadata=metadata(prompt="What?"), hf_split="test", hf_subset="default"
    )
    assert asks.asked == [(("a", "b"), ["Who?", "What?"])]


def test_a_batch_without_texts_is_refused():
    from answerspace.evaluation.mteb.model import MtebEncoder

    with pytest.raises(InputError, match=r"reads text\. Got a batch of image"):
        MtebEncoder("fake", embedder=Asks()).encode(
            [{"image": [1]}], task_metadata=metadata(), hf_split="test", hf_subset="default"
        )


# --- the tasks ---------------------------------------------------------------------------------------------------


def test_every_kind_that_mteb_can_hold_scores_as_our_published_protocol_does(ours):
    """One mini-batch k-means with seed 42 on both sides, so V is equal; the other measures have no chance in them."""
    from answerspace.evaluation.mteb.tasks import mteb_tasks

    data = Data(DATA)
    tasks = select_tasks(["written"], data)
    found = run(ours, mteb_tasks(["written"], data))
    contender = Contender(EncoderFacts("fake", "model"), lambda: ByEncode(ours.model))
    own = evaluate([contender], tasks, data, make_protocol("published"))
    assert set(found) == {task.name for task in tasks} == {*CLUSTERING, "written.triplets", "written.pairs"}
    for task in tasks:
        result = own.result(task.name, "fake")
        assert 100 * found[task.name]["main_score"] == pytest.approx(result.main.value, abs=1e-4), task.name
    triplets = own.result("written.triplets", "fake").measures
    assert 100 * found["written.triplets"]["emotion"] == pytest.approx(triplets["emotion"].value)


class ByEncode:
    """An embedder by the one method that a contender needs."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def encode(self, texts, *, instruction):
        return self.embedder.encode(texts, instruction)


def test_a_pair_is_encoded_under_its_own_question():
    from answerspace.evaluation.mteb.model import MtebEncoder
    from answerspace.evaluation.mteb.tasks import mteb_tasks

    asks = Asks()
    run(MtebEncoder("fake", embedder=asks), mteb_tasks(["written"], Data(DATA), only=["written.pairs"]))
    rows = [line for line in (DATA / "instruct_sts.jsonl").read_text().splitlines() if line]
    assert len(asks.asked) == 2 * len(rows)  # two questions a pair, each in a call of its own
    for texts, question in asks.asked:
        row = next(line for line in rows if question in line)
        assert len(texts) == 2
        assert all(text in row for text in texts)


def test_all_rows_are_clustered_under_the_question_of_the_task():
    """mteb's newer clustering would keep 4 % of them."""
    from answerspace.evaluation.mteb.model import MtebEncoder
    from answerspace.evaluation.mteb.tasks import mteb_tasks

    asks = Asks()
    tasks = mteb_tasks(["written"], Data(DATA), only=["notes.*"])
    run(MtebEncoder("fake", embedder=asks), tasks)
    assert [(len(texts), question) for texts, question in asks.asked] == [(12, one) for one in CLUSTERING.values()]


def test_a_similarity_task_is_an_sts_task(ours, tmp_path):
    from answerspace.evaluation.mteb.tasks import mteb_task

    rows = ["the soup was good", "the pasta was bad", "the bed was good", "the lobby was bad"]
    lines = [f'{{"a": "{a}", "b": "{b}", "r": {i + j}}}' for i, a in enumerate(rows) for j, b in enumerate(rows)]
    (tmp_path / "sts.jsonl").write_text("\n".join(lines))
    question = Question("sts", HOW, Source("sts.jsonl"), (("a", "b", "r"),))
    task = Task("sts", "own", "similarity", (question,), "Spearman", "none", "none")
    scores = run(ours, [mteb_task(task, Data(tmp_path))])["sts"]
    assert scores["main_score"] == scores["cosine_spearman"]
    assert -1 <= scores["main_score"] <= 1


def test_a_kind_without_a_place_in_mteb_is_refused():
    from answerspace.evaluation.mteb.tasks import mteb_task, mteb_tasks

    data = Data(DATA)
    task = Task("lists", "own", "lists", (Question("q", "Q?", Source("x.jsonl"), (("a", "b"),)),), "", "", "")
    with pytest.raises(InputError, match=r"must be of kind clustering, similarity, pairs, triplets\. Got lists"):
        mteb_task(task, data)
    with pytest.raises(InputError, match="Got criteria"):
        mteb_tasks(["multicriteria"], data)


@pytest.mark.parametrize("name", ["model", "tasks"])
def test_without_mteb_the_error_says_what_to_install(name, monkeypatch):
    import importlib

    for known in [one for one in sys.modules if one.startswith("answerspace.evaluation.mteb")]:
        monkeypatch.delitem(sys.modules, known)
    monkeypatch.setitem(sys.modules, "mteb", None)
    monkeypatch.setitem(sys.modules, "mteb.models.abs_encoder", None)
    monkeypatch.setitem(sys.modules, "mteb._create_dataloaders", None)
    with pytest.raises(MissingExtra, match=r"pip install 'answerspace\[mteb\]'"):
        importlib.import_module(f"answerspace.evaluation.mteb.{name}")
