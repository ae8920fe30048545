"""Readings on disk: what they keep, what they refuse, and what a kill leaves behind."""

import json
import random
import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command_line import HOW, TABLE, TEXTS, WHAT, Runner, write_table

from answerspace import Embedder, InputError, Reading
from answerspace.backbones.bundled import load_bundled
from answerspace.backbones.fake import FakeBackbone
from answerspace.backbones.stored_states import quantised, restored
from answerspace.settings import Settings

ANIMALS = [
    "the cat is red .",
    "a blue dog runs here",
    "",
    "which horse is green ?",
    "the cat is red .",
    "black bird " * 30,
]
QUESTION, OTHER = "which animal is here ?", "what colour"


@lru_cache
def embedder_of(kind):
    settings = Settings(normalize=False)
    if kind == "fake":
        return Embedder(FakeBackbone(TABLE), settings)
    from tiny_bundled import tiny_bundled  # torch takes a while to import: only for the tests that need it
    from tiny_models import tiny

    from answerspace.backbones.causal import CausalBackbone
    from answerspace.backbones.masked import MaskedBackbone

    if kind == "bundled":
        return Embedder(load_bundled(tiny_bundled()), settings)
    model, tokenizer = tiny(kind)
    backbone = MaskedBackbone if kind == "roberta" else CausalBackbone
    return Embedder(backbone(model, tokenizer), settings)


def unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


# --- states ------------------------------------------------------------------------------------------------------


def test_a_stored_state_is_off_by_half_a_step_at_most():
    """A step is max / 127, kept with 11 bits, so what comes back is within 0.5 steps, 2^-11 of x, and its own 2^-11."""
    states = np.random.default_rng(0).normal(size=(50, 6, 8)) * 10.0 ** np.arange(-2, 4)[:, None]
    states[3] = 0
    codes, scales = quantised(states)
    largest = np.abs(states).max(-1, keepdims=True)
    assert codes.dtype == np.int8
    assert (np.abs(restored(codes, scales) - states) <= largest * (0.5 / 127 + 2**-10)).all()


@pytest.mark.parametrize("kind", ["bundled", "gpt2", "llama"])
def test_asking_a_saved_reading_is_close_to_asking_the_one_in_memory(kind, tmp_path):
    embedder = embedder_of(kind)
    reading = embedder.read(ANIMALS, batch_size=3)
    reading.save(tmp_path / "r")
    opened = embedder.open_reading(tmp_path / "r")
    assert opened.texts == ANIMALS
    for aggregation in ("mean_answer", "mean_all"):
        kept = reading.ask([QUESTION, OTHER], aggregation=aggregation)
        found = opened.ask([QUESTION, OTHER], aggregation=aggregation)
        assert (unit(kept) * unit(found)).sum(-1).min() > 0.995
        assert not np.array_equal(kept, found)  # else nothing was rounded, and this test tests nothing
    np.testing.assert_array_equal(found[:, 0], found[:, 4])  # equal texts


@pytest.mark.parametrize("kind", ["fake", "roberta"])
def test_models_that_keep_no_states_keep_the_texts_and_are_exact(kind, tmp_path):
    embedder = embedder_of(kind)
    embedder.read(ANIMALS).save(tmp_path / "r")
    opened = Reading.open(tmp_path / "r", embedder)
    np.testing.assert_allclose(opened.ask(QUESTION), embedder.encode(ANIMALS, QUESTION), atol=2e-5)
    assert opened.answer(QUESTION) == embedder.answer(ANIMALS, QUESTION)


def test_a_reading_grows_by_saving_to_it_and_keeps_every_text_once(tmp_path):
    embedder = embedder_of("bundled")
    embedder.read(ANIMALS).save(tmp_path / "r")
    first = embedder.open_reading(tmp_path / "r").ask(QUESTION)
    size = len(contents(tmp_path / "r"))
    embedder.read(ANIMALS).save(tmp_path / "r")  # the same texts: nothing to do
    assert len(contents(tmp_path / "r")) == size
    embedder.read([*ANIMALS, "dog"]).save(tmp_path / "r")
    grown = embedder.open_reading(tmp_path / "r")
    assert grown.texts == [*ANIMALS, *ANIMALS, "dog"]
    assert list(grown.distinct) == sorted(set(grown.texts), key=list(grown.distinct).index)
    np.testing.assert_array_equal(grown.ask(QUESTION)[: len(ANIMALS)], first)


def test_no_texts_are_a_reading_too(tmp_path):
    embedder = embedder_of("bundled")
    embedder.read([]).save(tmp_path / "r")
    assert embedder.open_reading(tmp_path / "r").ask([QUESTION, OTHER]).shape == (2, 0, embedder.dimension)


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    embedder_of("bundled").read(ANIMALS).save(tmp_path / "r")
    return tmp_path / "r"


def test_another_model_is_refused(saved):
    folder = embedder_of("bundled").backbone.folder
    other = Embedder(load_bundled(folder, text_length=12))
    for use in (lambda: other.open_reading(saved), lambda: other.read(["dog"]).save(saved)):
        with pytest.raises(InputError, match="must be used with the model that made it"):
            use()


@pytest.mark.parametrize("at", [0, 9, 200, -1, None])
def test_damage_is_found_before_an_answer_is_given(saved, at):
    path = saved / "block-000000.safetensors"
    data = bytearray(path.read_bytes())
    if at is None:
        del data[-7:]
    else:
        data[at] ^= 64
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        embedder_of("bundled").open_reading(saved).ask(QUESTION)


def test_a_block_in_another_one_s_place_is_damage(saved):
    embedder = embedder_of("bundled")
    embedder.read(["dog"]).save(saved)
    first, second = saved / "block-000000.safetensors", saved / "block-000001.safetensors"
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)
    with pytest.raises(InputError, match="damaged"):
        embedder.open_reading(saved).ask(QUESTION)


def test_what_is_no_reading_is_said_to_be_none(tmp_path):
    embedder = embedder_of("fake")
    with pytest.raises(InputError, match="There is no reading"):
        embedder.open_reading(tmp_path)
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="holds other files"):
        embedder.read(["a"]).save(tmp_path)
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "reading.json").write_text('{"format": 99, "fingerprint": "", "storage": "", "sources": []}')
    with pytest.raises(InputError, match="format 99"):
        embedder.open_reading(tmp_path / "r")
    (tmp_path / "r" / "reading.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        embedder.open_reading(tmp_path / "r")


# --- the command line --------------------------------------------------------------------------------------------


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "reviews.csv")
    return Runner(capsys)


def test_read_then_cluster_embed_and_ask(command, tmp_path):
    done = command("read", "reviews.csv", "--column", "text", "-o", "r")
    assert done.code == 0, done.err
    assert "8 rows were read into r" in done.out
    assert command("cluster", "r", "--ask", WHAT, "--clusters", 2, "--output", "out").code == 0, command.err
    frame = pl.read_parquet(tmp_path / "out" / "clusters.parquet")
    assert frame["text"].to_list() == TEXTS
    assert frame["what_is_it_cluster"].to_list() == [0] * 4 + [1] * 4
    assert (tmp_path / "out" / "report.html").read_text().count(TEXTS[0])
    for name in ("v.npy", "v.parquet", "v.safetensors"):
        assert command("embed", "r", "--ask", WHAT, "--output", name).code == 0, command.err
    expected = Embedder(FakeBackbone(TABLE)).encode(TEXTS, WHAT)
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy"), expected)
    assert command("ask", HOW, "--reading", "r").out.split() == ["happy", "angry"] * 4


def test_a_second_file_is_added_and_the_first_left_alone(command, tmp_path):
    (tmp_path / "more.txt").write_text("the soup was bad\n\nthe sea was good\n")
    assert command("read", "reviews.csv", "--column", "text", "-o", "r").code == 0
    before = contents("r")
    assert "holds this file already" in command("read", "reviews.csv", "--column", "text", "-o", "r").out
    assert contents("r") == before
    assert command("read", "more.txt", "-o", "r").code == 0
    assert {name: data for name, data in contents("r").items() if name in before and name != "reading.json"} == {
        name: data for name, data in before.items() if name != "reading.json"
    }
    assert command("cluster", "r", "--ask", WHAT, "--output", "out").code == 0, command.err
    frame = pl.read_parquet(tmp_path / "out" / "clusters.parquet")
    assert frame["text"].to_list() == [*TEXTS, "the soup was bad", None, "the sea was good"]
    assert frame["source"].to_list() == ["reviews.csv"] * 8 + ["more.txt"] * 3
    assert frame["what_is_it_cluster"][9] is None


def test_the_same_question_of_a_reading_costs_a_look_up(command):
    command("read", "reviews.csv", "--column", "text", "-o", "r")
    again = ("cluster", "r", "--ask", WHAT, "--output", "out")
    assert command(*again).code == 0
    asked = command.backbone.asks
    assert command(*again).code == 0
    assert command.backbone.asks == asked


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("read", "reviews.csv", "--column", "text", "-o", "reviews.csv"), "is a file"),
        (("read", "r", "-o", "s"), "Got the reading r"),
        (("read", "nothing.csv", "-o", "s"), "There is no file"),
        (("cluster", "r", "--column", "text", "--ask", WHAT), "A reading is asked as it is"),
        (("cluster", "r", "--labels", "kind", "--ask", WHAT), "A reading is asked as it is"),
        (("ask", WHAT, "--reading", "reviews.csv"), "There is no reading"),
    ],
)
def test_one_sentence_for_each_mistake(command, words, said):
    command("read", "reviews.csv", "--column", "text", "-o", "r")
    assert command(*words).code == 2
    assert said in command.err
    assert "Traceback" not in command.err


def test_one_process_at_a_time_writes(tmp_path):
    pytest.importorskip("fcntl", reason="no folder locks on this system")
    from answerspace.reading_file.writer import ReadingWriter

    backbone = FakeBackbone()
    with (
        ReadingWriter(tmp_path / "r", backbone, "a", "a", batch_size=2),
        pytest.raises(InputError, match="Another is writing"),
        ReadingWriter(tmp_path / "r", backbone, "b", "b", batch_size=2),
    ):
        pass


# --- killed at any moment ----------------------------------------------------------------------------------------

# A fake model whose states are real numbers in real blocks; the blocks are made small so that there are many.
READ = """
import sys
import numpy as np
from answerspace import Embedder
from answerspace.backbones import stored_states
from answerspace.backbones.fake import FakeBackbone
from answerspace.backbones.stored_states import Storage, StoredStates, quantised
from answerspace.cli.main import run
from answerspace.reading_file import writer

def pack(read):
    lengths = np.array([len(words) for words in read], np.int32)
    states = np.random.default_rng(int(lengths.sum())).normal(size=(int(lengths.sum()), 4, 16))
    return StoredStates(lengths, *quantised(states), np.zeros((len(read), 0), np.float32))

stored_states.STORAGES["fake"] = Storage(pack, lambda backbone, texts, stored: [text.split() for text in texts])
writer.BLOCK_ROWS = 64
print("started", flush=True)
sys.exit(run(sys.argv[1:], load=lambda name: Embedder(FakeBackbone())))
"""


def test_killed_at_random_moments_it_ends_byte_equal(tmp_path):
    """Runs are killed at moments drawn over the time an undisturbed run takes after its start, until one gets through.

    A run that is killed early makes no progress, so the moments are drawn anew each time; forty runs in a row without
    a finished block are not to be expected, and would fail the test rather than hang it.
    """
    for name, count in (("one.txt", 3000), ("two.txt", 2000)):
        (tmp_path / name).write_text("".join(f"{name} text {i % 2500} says something\n" for i in range(count)))

    def start(name, folder):
        words = [sys.executable, "-c", READ, "read", name, "-o", folder, "--quiet", "--batch-size", "16"]
        process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "started\n"
        return process

    def finished(process):
        said = process.communicate(timeout=300)
        assert process.returncode == 0, said
        return said

    begun = time.monotonic()
    finished(start("one.txt", "whole"))
    lasts = time.monotonic() - begun
    finished(start("two.txt", "whole"))
    drawn = random.Random(0)
    kills = 0
    for name in ("one.txt", "two.txt"):
        for _ in range(4):
            process = start(name, "killed")
            try:
                process.wait(drawn.uniform(0, lasts))
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
            process.communicate()
        finished(start(name, "killed"))
    assert kills
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    index = json.loads((tmp_path / "whole" / "reading.json").read_text())
    assert [source["rows"] for source in index["sources"]] == [3000, 2000]


def test_killed_after_each_block_it_goes_on_behind_it(tmp_path):
    """The kill comes by the run itself, at the worst places: just before a block or the index is renamed."""
    (tmp_path / "one.txt").write_text("".join(f"text {i} says something\n" for i in range(300)))
    killing = READ.replace(
        "print(",
        "import os, signal\n"
        "from pathlib import Path\n"
        "renames, replace = [], Path.replace\n"
        "def counted(self, other):\n"
        "    renames.append(other)\n"
        "    if len(renames) == int(os.environ['KILL_AT']):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return replace(self, other)\n"
        "Path.replace = counted\n"
        "print(",
        1,
    )
    words = ["read", "one.txt", "-o"]
    quick = ["--quiet", "--batch-size", "16"]

    def ends(source, folder, kill_at):
        done = subprocess.run(
            [sys.executable, "-c", source, *words, folder, *quick],
            cwd=tmp_path, env={"KILL_AT": str(kill_at), "PATH": ""}, capture_output=True, check=False,
        )  # fmt: skip
        return done.returncode

    assert ends(READ, "whole", 0) == 0
    codes = [ends(killing, "killed", kill_at) for kill_at in (1, 2, 1, 3, 2)]
    assert codes == [-9] * 5
    assert ends(READ, "killed", 0) == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_an_unfinished_reading_is_not_asked_and_takes_no_other_file(tmp_path):
    from answerspace.reading_file.writer import ReadingWriter

    embedder = embedder_of("fake")
    with ReadingWriter(tmp_path / "r", embedder.backbone, "long.csv", "digest", batch_size=2) as writer:
        writer.add("a")
    with pytest.raises(InputError, match=r"was stopped while reading long\.csv"):
        embedder.open_reading(tmp_path / "r")
    with pytest.raises(InputError, match="one file after the other"):
        embedder.read(["b"]).save(tmp_path / "r")
