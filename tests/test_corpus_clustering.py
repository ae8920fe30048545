import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from answerspace import Embedder
from answerspace.answer_store import AnswerStore
from answerspace.backbones.fake import FakeBackbone
from answerspace.corpus_clustering import ClusterOptions, cluster_corpus
from answerspace.errors import InputError
from answerspace.vector_cache import VectorCache

WHAT, HOW = "What is it?", "How is it?"
TABLE = {
    WHAT: {"soup": "food", "pasta": "food", "bed": "hotel", "lobby": "hotel"},
    HOW: {"good": "happy", "bad": "angry"},
}
TEXTS = [f"the {thing} was {quality}" for thing in TABLE[WHAT] for quality in TABLE[HOW]]
BATCH = 256
MANY = [f"number {i} : {TEXTS[i % len(TEXTS)]}" for i in range(2 * BATCH + 10)]


def fake():
    return Embedder(FakeBackbone(TABLE))


def test_one_corpus_two_questions_two_groupings():
    gold = ["eat"] * 4 + ["sleep"] * 4
    result = cluster_corpus(
        fake(), TEXTS, [WHAT, HOW], options=ClusterOptions(clusters=2), gold=gold, title="T", facts={"Model": "fake"}
    )
    what, how = result.questions
    assert what.answers == ["food"] * 4 + ["hotel"] * 4
    assert what.labels.tolist() == [0] * 4 + [1] * 4
    assert how.labels.tolist() == [0, 1] * 4
    assert what.scores == {"v_measure": 1.0, "ari": 1.0}
    assert how.scores["v_measure"] == pytest.approx(0)
    assert [(c.words, c.head_words[0], c.label_counts) for c in what.clusters] == [
        (["food"], "food", {"eat": 4}),
        (["hotel"], "hotel", {"sleep": 4}),
    ]
    assert how.positions.shape == (8, 2)
    assert result.facts == {"Texts": "8", "Distinct texts": "8", "Model": "fake"}


def test_the_clusters_do_not_depend_on_the_store(tmp_path):
    plain = cluster_corpus(fake(), TEXTS, [WHAT])
    stored = cluster_corpus(fake(), TEXTS, [WHAT], store=AnswerStore(tmp_path))
    again = cluster_corpus(fake(), TEXTS, [WHAT], store=AnswerStore(tmp_path))
    for one in (stored, again):
        assert one.questions[0].labels.tolist() == plain.questions[0].labels.tolist()
        assert one.questions[0].answers == plain.questions[0].answers
        np.testing.assert_array_equal(one.questions[0].positions, plain.questions[0].positions)


def test_the_head_is_not_asked_about_an_inner_layer():
    embedder = fake()
    embedder.settings = type(embedder.settings)(layer=1)
    result = cluster_corpus(embedder, TEXTS, [WHAT], options=ClusterOptions(clusters=2))
    assert [c.head_words for c in result.questions[0].clusters] == [[], []]


@pytest.mark.parametrize("texts", [["one"], ["same"] * 5, ["a", "b"], ["a", "b", "c"]])
def test_tiny_corpora(texts):
    result = cluster_corpus(fake(), texts, [WHAT])
    assert sum(cluster.size for cluster in result.questions[0].clusters) == len(texts)


@pytest.mark.parametrize(
    ("texts", "questions", "message"),
    [
        ([], [WHAT], "at least one text"),
        (TEXTS, [], "at least one question"),
        (TEXTS, [WHAT, f" {WHAT}"], "asked once"),
        (TEXTS, [" "], "at least one word"),
    ],
)
def test_nothing_to_do_is_an_error(texts, questions, message):
    with pytest.raises(InputError, match=message):
        cluster_corpus(fake(), texts, questions)


# --- the answer store --------------------------------------------------------------------------------------------


def test_a_second_run_computes_nothing_and_a_new_question_only_itself(tmp_path):
    first, second, third = fake(), fake(), fake()
    AnswerStore(tmp_path).cached(first).ask_and_answer(MANY, [WHAT])
    AnswerStore(tmp_path).cached(second).ask_and_answer(MANY, [WHAT])
    both = AnswerStore(tmp_path).cached(third).ask_and_answer(MANY, [WHAT, HOW])
    assert second.backbone.asks == 0
    assert third.backbone.asks == first.backbone.asks
    plain = fake().ask_and_answer(MANY, [WHAT, HOW])
    for one, other in zip(both, plain, strict=True):
        assert one.answers == other.answers
        np.testing.assert_array_equal(one.vectors, other.vectors)


def test_more_texts_only_cost_themselves(tmp_path):
    AnswerStore(tmp_path).cached(fake()).ask_and_answer(MANY[:BATCH], [WHAT])
    embedder = fake()
    AnswerStore(tmp_path).cached(embedder).ask_and_answer(MANY[: BATCH + 3], [WHAT], batch_size=BATCH)
    assert embedder.backbone.reads == 1


def test_an_embedder_with_a_cache_keeps_to_it(tmp_path):
    embedder = Embedder(FakeBackbone(TABLE), cache=VectorCache(tmp_path / "cache"))
    assert AnswerStore(tmp_path / "store").cached(embedder) is embedder
    assert AnswerStore(None).cached(fake()).cache is None


class Interrupted(FakeBackbone):
    """Is interrupted in its second batch."""

    def read(self, texts):
        if self.reads == 1:
            raise KeyboardInterrupt
        return super().read(texts)


def test_an_interruption_keeps_the_finished_batches(tmp_path):
    interrupted = AnswerStore(tmp_path).cached(Embedder(Interrupted(TABLE)))
    with pytest.raises(KeyboardInterrupt):
        interrupted.ask_and_answer(MANY, [WHAT], batch_size=BATCH)
    embedder = fake()
    AnswerStore(tmp_path).cached(embedder).ask_and_answer(MANY, [WHAT], batch_size=BATCH)
    assert embedder.backbone.reads == 2


# The model says "reading" and then waits for the signal in its second batch, so the test needs no clock.
SLOW = """
import signal, sys, time
from answerspace import Embedder
from answerspace.backbones.fake import FakeBackbone
from answerspace.cli.main import run

class Waiting(FakeBackbone):
    def read(self, texts):
        if self.reads == 1 and "wait" in sys.argv:
            print("reading", flush=True)
            while True:
                time.sleep(0.02)
        return super().read(texts)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job starts with it ignored
backbone = Waiting()
code = run(sys.argv[2:], load=lambda name: Embedder(backbone))
print("reads", backbone.reads)
sys.exit(code)
"""


def test_a_real_interrupt_from_the_keyboard_and_the_same_command_again(tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join(MANY))
    options = ["cluster", "texts.txt", "--ask", WHAT, "--clusters", "2", "--output", "out", "--batch-size", str(BATCH)]
    command = [sys.executable, "-c", SLOW]
    with subprocess.Popen(
        [*command, "wait", *options], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "reading\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped. What was computed is kept in out/.work; run the same command again to go on." in said
    assert "Traceback" not in said
    assert not (tmp_path / "out" / "report.html").exists()
    again = subprocess.run([*command, "go", *options], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "reads 2" in again.stdout  # the first of three batches was kept
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["facts"]["Texts"] == str(len(MANY))
