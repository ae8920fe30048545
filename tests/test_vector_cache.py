"""The cache: nothing is computed twice, the bound is kept, two processes share one file."""

import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from command_line import HOW, TABLE, TEXTS, WHAT, Runner, write_table

from answerspace import Embedder, InputError
from answerspace.aggregation import Reencode
from answerspace.answer_filter import AnswerFilter
from answerspace.backbones.fake import FakeBackbone
from answerspace.settings import Settings
from answerspace.vector_cache import VectorCache, scope_of

SCOPE = scope_of("model", "question")


def cached(path, limit=None, **options):
    return Embedder(FakeBackbone(TABLE, **options), cache=VectorCache(path, limit))


# --- through the embedder ----------------------------------------------------------------------------------------


def test_a_second_identical_run_asks_the_model_nothing(tmp_path):
    first, second = cached(tmp_path / "c"), cached(tmp_path / "c")
    expected = first.encode(TEXTS, [WHAT, HOW])
    np.testing.assert_array_equal(second.encode(TEXTS, [WHAT, HOW]), expected)
    assert (second.backbone.reads, second.backbone.asks) == (0, 0)
    np.testing.assert_array_equal(expected, Embedder(FakeBackbone(TABLE)).encode(TEXTS, [WHAT, HOW]))


def test_only_what_is_missing_is_computed(tmp_path):
    cached(tmp_path / "c").encode(TEXTS[:6], WHAT)
    cached(tmp_path / "c").encode(TEXTS[:2], HOW)
    embedder = cached(tmp_path / "c")
    asked = []
    ask = embedder.backbone.ask
    embedder.backbone.ask = lambda read, questions, asking: (
        asked.extend((" ".join(words), question) for words, question in zip(read, questions, strict=True))
        or ask(read, questions, asking)
    )
    found = embedder.encode(TEXTS, [WHAT, HOW])
    assert sorted(asked) == sorted([(t, WHAT) for t in TEXTS[6:]] + [(t, HOW) for t in TEXTS[2:]])
    np.testing.assert_array_equal(found, Embedder(FakeBackbone(TABLE)).encode(TEXTS, [WHAT, HOW]))


def test_words_and_readings_are_cached_too(tmp_path):
    embedder = cached(tmp_path / "c")
    reading = embedder.read(TEXTS)
    expected = reading.ask_and_answer([WHAT, HOW])
    asks = embedder.backbone.asks
    again = embedder.read(TEXTS).ask_and_answer([WHAT, HOW])
    assert embedder.backbone.asks == asks
    for one, other in zip(expected, again, strict=True):
        assert one.answers == other.answers
        np.testing.assert_array_equal(one.vectors, other.vectors)
    assert embedder.answer(TEXTS, WHAT) == embedder.answer(TEXTS, WHAT) == ["food"] * 4 + ["hotel"] * 4


@pytest.mark.parametrize(
    "other",
    [
        lambda path: cached(path, dimension=32).encode(TEXTS, WHAT),
        lambda path: cached(path).encode(TEXTS, HOW),
        lambda path: cached(path).encode(TEXTS, WHAT, layer=1),
        lambda path: cached(path).encode(TEXTS, WHAT, aggregation="mean_all"),
        lambda path: cached(path).encode(TEXTS, WHAT, answer_filter=AnswerFilter()),
        lambda path: Embedder(
            FakeBackbone(TABLE), Settings(aggregation="first_answer"), cache=VectorCache(path)
        ).encode(TEXTS, WHAT),
    ],
)
def test_another_model_question_or_setting_is_another_entry(tmp_path, other):
    cached(tmp_path / "c").encode(TEXTS, WHAT)
    entries = VectorCache(tmp_path / "c").facts().entries
    other(tmp_path / "c")
    assert VectorCache(tmp_path / "c").facts().entries == entries + len(TEXTS)


def test_the_model_s_own_length_of_an_answer_is_part_of_the_key(tmp_path):
    embedder = cached(tmp_path / "c")
    embedder.backbone.answer_tokens = 3
    embedder.encode(TEXTS, WHAT)
    embedder.backbone.answer_tokens = 9
    embedder.encode(TEXTS, WHAT)
    assert embedder.cache.facts().entries == 2 * len(TEXTS)


def test_normalising_is_done_after_the_look_up(tmp_path):
    cached(tmp_path / "c").encode(TEXTS, WHAT)
    embedder = cached(tmp_path / "c")
    raw = embedder.encode(TEXTS, WHAT, normalize=False)
    assert embedder.backbone.asks == 0
    np.testing.assert_array_equal(raw, Embedder(FakeBackbone(TABLE)).encode(TEXTS, WHAT, normalize=False))


def test_functions_and_encoders_of_the_user_are_not_cached(tmp_path):
    embedder = cached(tmp_path / "c")
    for aggregation in (lambda answered: answered.states[:, 0], Reencode(Embedder(FakeBackbone(TABLE)))):
        try:
            embedder.encode(TEXTS, WHAT, aggregation=aggregation)
        except InputError:  # the fake model has no vectors without a question, so it cannot re-encode
            continue
    assert embedder.cache.facts().entries == 0


# --- the store itself --------------------------------------------------------------------------------------------


def rows(texts, width=8):
    return np.array([[hash(text) % 97] * width for text in texts], np.float32)


def test_what_was_put_comes_back_in_order_and_the_rest_is_missing(tmp_path):
    cache = VectorCache(tmp_path / "c")
    texts = ["b", "a", "", "odd \udcff", "ü" * 5000]
    cache.put(SCOPE, texts, rows(texts), [*texts[:3], "?", "ü"])
    known = cache.get(SCOPE, ["a", "new", "b", "odd \udcff"])
    assert known.found.tolist() == [True, False, True, True]
    np.testing.assert_array_equal(known.vectors, rows(["a", "b", "odd \udcff"]))
    assert known.answers == ["a", "b", "?"]
    assert not cache.get(scope_of("model", "other"), texts).found.any()
    assert not cache.get(scope_of("modelq", "uestion"), texts).found.any()
    assert cache.get(SCOPE, []).vectors.shape == (0, 0)


def test_a_bounded_cache_drops_what_was_used_longest_ago(tmp_path):
    limit = 60_000  # room for 14 vectors of 3,200 bytes, a page each
    texts = [f"text {i}" for i in range(12)]
    early = VectorCache(tmp_path / "c", limit)
    early.put(SCOPE, texts, rows(texts, 800), texts)
    early.flush()
    assert VectorCache(tmp_path / "c", limit).get(SCOPE, texts[:4]).found.all()  # a run later: these were used
    late = VectorCache(tmp_path / "c", limit)
    new = [f"new {i}" for i in range(8)]
    late.put(SCOPE, new, rows(new, 800), new)
    assert late.facts().bytes <= limit
    assert late.get(SCOPE, texts[:4]).found.all()
    assert late.get(SCOPE, new).found.all()
    assert not late.get(SCOPE, texts[4:7]).found.any()


def test_the_file_does_not_outgrow_the_bound(tmp_path):
    """The bound counts a row's room on the disk; a tenth for pages in use, and the log (1,000 pages), come on top."""
    limit = 2_000_000
    cache = VectorCache(tmp_path / "c", limit)
    for start in range(0, 5000, 100):
        texts = [f"text {i}" for i in range(start, start + 100)]
        cache.put(SCOPE, texts, rows(texts, 384), texts)
    assert cache.facts().bytes <= limit
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 1.1 * limit + 5_500_000
    assert cache.get(SCOPE, texts).found.all()


def test_clearing_gives_the_room_back(tmp_path):
    cache = VectorCache(tmp_path / "c")
    texts = [f"text {i}" for i in range(500)]
    cache.put(SCOPE, texts, rows(texts, 384), texts)
    cache.clear()
    assert cache.facts().entries == cache.facts().bytes == 0
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 100_000


@pytest.mark.parametrize("content", [b"not a database " * 100, b"SQLite format 3\0" + b"\7" * 5000])
def test_a_damaged_file_is_put_aside(tmp_path, content):
    (tmp_path / "c").write_bytes(content)
    cache = VectorCache(tmp_path / "c")
    cache.put(SCOPE, ["a"], rows(["a"]), ["a"])
    assert cache.get(SCOPE, ["a"]).found.all()
    assert (tmp_path / "c.damaged").read_bytes() == content


def test_a_database_of_another_format_is_put_aside(tmp_path):
    database = sqlite3.connect(tmp_path / "c")
    database.execute("PRAGMA user_version = 99")
    database.close()
    assert VectorCache(tmp_path / "c").facts().entries == 0
    assert (tmp_path / "c.damaged").exists()


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        VectorCache(tmp_path / "file" / "c")


SHARE = """
import sys
import numpy as np
from answerspace.vector_cache import VectorCache, scope_of
cache = VectorCache(sys.argv[1], int(sys.argv[3]))
print("ready", flush=True)
sys.stdin.readline()
for start in range(0, 400, 20):  # the first half is the other process's too
    texts = [f"shared {i}" if i < 200 else f"{sys.argv[2]} {i}" for i in range(start, start + 20)]
    known = cache.get(scope_of("m"), texts)
    new = [text for text, found in zip(texts, known.found) if not found]
    cache.put(scope_of("m"), new, np.array([[len(text)] * 384 for text in new], np.float32).reshape(-1, 384), new)
    cache.flush()
print("done", flush=True)
"""


@pytest.mark.parametrize("limit", [10_000_000, 500_000])
def test_two_processes_share_a_file(tmp_path, limit):
    pair = [
        subprocess.Popen(
            [sys.executable, "-c", SHARE, tmp_path / "c", name, str(limit)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for name in ("one", "two")
    ]  # fmt: skip
    for process in pair:
        assert process.stdout.readline() == "ready\n"
    for process in pair:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in pair:
        out, err = process.communicate(timeout=300)
        assert (process.returncode, out, err) == (0, "done\n", "")
    cache = VectorCache(tmp_path / "c", limit)
    database = sqlite3.connect(tmp_path / "c")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    counted = database.execute("SELECT sum(bytes), count(*) FROM entries").fetchone()
    assert counted == (cache.facts().bytes, cache.facts().entries)
    assert database.execute("SELECT count(*) FROM vectors").fetchone()[0] == cache.facts().entries
    database.close()
    assert cache.facts().bytes <= limit
    texts = [f"shared {i}" for i in range(200)] + [f"{name} {i}" for name in ("one", "two") for i in range(200, 400)]
    known = cache.get(scope_of("m"), texts)
    assert known.answers == [text for text, found in zip(texts, known.found, strict=True) if found]
    if limit == 10_000_000:
        assert known.found.all()
        assert cache.facts().entries == len(texts)


# --- the command line --------------------------------------------------------------------------------------------


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "reviews.csv")
    return Runner(capsys)


def test_one_cache_for_several_outputs_and_commands(command, monkeypatch):
    assert command("cluster", "reviews.csv", "--ask", WHAT, "--cache", "c", "--output", "a").code == 0, command.err
    asks = command.backbone.asks
    monkeypatch.setenv("ANSWERSPACE_CACHE", "c")
    assert command("cluster", "reviews.csv", "--ask", WHAT, "--output", "b").code == 0
    assert command("embed", "reviews.csv", "--column", "text", "--ask", WHAT, "--output", "v.npy").code == 0
    assert command.backbone.asks == asks
    assert "8 vectors with their answers in c" in command("cache", "show").out
    assert "0 vectors" in command("cache", "clear").out


def test_a_cache_that_is_not_there_is_one_sentence(command):
    assert command("cache", "show").code == 2
    assert "--cache must be the file of a cache" in command.err
