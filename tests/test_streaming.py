"""Files and corpora that memory should not hold: pieces give what the whole gives, and arrays move to the disk."""

import io
import json
import random
import resource
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from command_line import HOW, TABLE, WHAT, Runner
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from answerspace import InputError, disk_arrays, table_stream
from answerspace.batches import Gather, grouped_batches
from answerspace.clustering import cluster_means, clustering_space
from answerspace.output_folder import drawn
from answerspace.projection import project
from answerspace.results import Cluster, CorpusResult, QuestionResult
from answerspace.source_texts import Source, TextStream
from answerspace.table_stream import stream_table, whole_table
from answerspace.tables import read_table


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Everything is large here: 7 rows are a piece, 200 bytes the head of a file, an array on disk is the rule."""
    monkeypatch.setattr(table_stream, "PIECE_ROWS", 7)
    monkeypatch.setattr(table_stream, "HEAD", 200)
    monkeypatch.setattr(table_stream, "STREAM_FROM", 300)
    monkeypatch.setattr(disk_arrays, "IN_MEMORY", 0)
    monkeypatch.setattr(disk_arrays, "PIECE", 5)


ROWS = [
    {"id": i, "text": f'text {i}, with "quotes",\nlines and ünïcödé' if i % 5 else "", "kind": f"k{i % 3}"}
    for i in range(60)
]


def write(folder, suffix):
    path = folder / f"rows{suffix}"
    frame = pl.DataFrame(ROWS)
    if suffix == ".parquet":
        frame.write_parquet(path, row_group_size=11)
    elif suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif suffix == ".json":
        path.write_text(json.dumps(ROWS))
    elif suffix == ".txt":
        path.write_text("".join(f"line {i} is a text\n" for i in range(60)))
    else:
        frame.write_csv(path, separator="\t" if suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json", ".parquet", ".txt"])
@pytest.mark.parametrize("limit", [None, 1, 7, 20])
def test_the_pieces_are_the_whole(tmp_path, suffix, limit):
    path = write(tmp_path, suffix)
    stream = stream_table(path, limit=limit)
    found = list(stream)
    whole = read_table(path, limit=limit)
    assert pl.concat(found).equals(whole.frame)
    assert stream.notes == whole.notes
    assert suffix == ".json" or max(frame.height for frame in found) <= 7
    assert whole_table(path, limit=limit).frame.equals(whole.frame)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings(tmp_path, encoding):
    path = tmp_path / "rows.csv"
    path.write_bytes(write(tmp_path, ".csv").read_text().encode(encoding))
    named = encoding if encoding == "cp1252" else None
    assert pl.concat(list(stream_table(path, encoding=named))).equals(read_table(path, encoding=named).frame)


CELL = st.sampled_from(["a", "b c", '"q"', '"open', 'in"side', '"a,b"', '"two\nlines"', "", "é"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(CELL, min_size=1, max_size=4), min_size=1, max_size=25))
def test_broken_rows_cost_the_same_in_pieces(rows):
    """Quotation marks that are never closed, ragged rows: the same rows survive, the same lines are named."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_text("one,two\n" + "x,y\n" * 60 + "".join(",".join(cells) + "\n" for cells in rows))
        stream = stream_table(path, format="csv")
        found = pl.concat(list(stream))
        whole = read_table(path, format="csv")
        assert found.equals(whole.frame)
        assert stream.notes == whole.notes


def test_what_is_wrong_far_down_is_said_when_it_is_met(tmp_path):
    path = tmp_path / "rows.txt"
    path.write_bytes(b"a good line\n" * 40 + b"\xff\xfe bad\n")
    with pytest.raises(InputError, match="cannot be read as utf-8"):
        list(stream_table(path))
    path.write_bytes(b"a good line\n" * 40 + b"\0\n")
    with pytest.raises(InputError, match="zero bytes"):
        list(stream_table(path))
    path.write_bytes(b"PK\x03\x04" + b"x" * 400)
    with pytest.raises(InputError, match="zip archive"):
        stream_table(path)
    with pytest.raises(InputError, match="There is no file"):
        stream_table(tmp_path / "nothing")
    with pytest.raises(InputError, match="--format must be one of"):
        stream_table(write(tmp_path, ".txt"), format="xlsx")


def test_standard_input_is_streamed_too(tmp_path, monkeypatch):
    data = write(tmp_path, ".csv").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert pl.concat(list(stream_table("-"))).equals(read_table(tmp_path / "rows.csv").frame)


def test_texts_come_with_notes_and_an_empty_column_is_an_error(tmp_path):
    stream = TextStream(Source(str(write(tmp_path, ".csv")), "text"))
    texts = [text for piece in stream for text in piece.texts]
    assert texts == [row["text"] for row in ROWS]
    assert stream.notes == ["12 cells of column 'text' without a text: kept in the output, not embedded."]
    for rows in (3, 60):
        (tmp_path / "empty.csv").write_text("id,text\n" + "1,\n" * rows)
        with pytest.raises(InputError, match="must hold at least one text"):
            list(TextStream(Source(str(tmp_path / "empty.csv"), "text")))


# --- arrays ------------------------------------------------------------------------------------------------------


def test_large_arrays_are_on_the_disk_and_leave_no_file(tmp_path):
    array = disk_arrays.room_for((100, 3), tmp_path)
    assert isinstance(array, np.memmap)
    array[:] = 7
    disk_arrays.let_go(array)
    assert (array == 7).all()
    assert not list(tmp_path.iterdir())
    assert not isinstance(disk_arrays.room_for((0, 3), tmp_path), np.memmap)


def test_distinct_rows():
    rows = np.array([[1, 2], [3, 4], [1, 2], [5, 6], [3, 4], [1, 2], [0, 0]], np.float32)
    first, inverse = disk_arrays.distinct_rows(rows)
    assert first.tolist() == [0, 1, 3, 6]
    assert inverse.tolist() == [0, 1, 0, 2, 1, 0, 3]


def test_gathered_rows_are_the_same_on_disk_and_in_memory(monkeypatch):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(20, 4)).astype(np.float32)
    for inverse in (np.arange(20), rng.integers(-1, 20, 33)):
        made = []
        for most in (0, 10**9):
            monkeypatch.setattr(disk_arrays, "IN_MEMORY", most)
            gather = Gather(20)
            for at in range(0, 20, 3):
                rows = list(range(at, min(at + 3, 20)))
                gather.put(rows, vectors[rows], [f"a{i}" for i in rows])
            made.append(gather.result(inverse, 4, True))
        np.testing.assert_array_equal(made[0][0], made[1][0])
        assert made[0][1] == made[1][1] == ["" if i < 0 else f"a{i}" for i in inverse]
        assert isinstance(made[0][0], np.memmap)


def test_texts_that_lack_the_same_questions_go_together():
    lacking = [np.array([True, True, False, False, True]), np.array([True, False, False, True, True])]
    found = grouped_batches(["aa", "b", "c", "d", "e"], lacking, 2)
    assert sorted((sorted(rows), questions) for rows, questions in found) == [
        ([0, 4], [0, 1]), ([1], [0]), ([3], [1]),
    ]  # fmt: skip


def test_space_means_and_map_do_not_depend_on_the_pieces(monkeypatch):
    """Sums are taken in float64, so pieces change a mean by less than float32 shows."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(400, 16)).astype(np.float32) + 3
    labels = rng.integers(-1, 4, 400)
    made = []
    for piece in (5, 10_000):
        monkeypatch.setattr(disk_arrays, "PIECE", piece)
        space = clustering_space(vectors)
        made.append((space, cluster_means(space, labels), project(space, landmarks=100)))
    for one, other in zip(*made, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    np.testing.assert_allclose(made[0][1][2], made[0][0][labels == 2].mean(0), atol=1e-6)


def test_the_report_of_a_large_corpus_shows_a_part_and_the_typical_texts():
    n = 100
    clusters = [Cluster(k, 50, [f"w{k}"], [], [k + 2 * i for i in range(40)]) for k in (0, 1)]
    question = QuestionResult(
        WHAT,
        np.arange(n) % 2,
        np.arange(2 * n, dtype=np.float32).reshape(n, 2),
        [f"a{i}" for i in range(n)],
        clusters,
        "",
    )
    result = CorpusResult("T", [f"text {i}" for i in range(n)], [question], {}, [f"g{i % 2}" for i in range(n)])
    shown = drawn(result, 10)
    [part] = shown.questions
    assert 80 <= len(shown.texts) <= 90
    assert [shown.texts[row] for row in part.clusters[1].typical] == [f"text {1 + 2 * i}" for i in range(40)]
    assert [cluster.size for cluster in part.clusters] == [50, 50]
    for i, text in enumerate(shown.texts):
        row = int(text.split()[1])
        assert (part.labels[i], part.answers[i], shown.gold[i]) == (row % 2, f"a{row}", f"g{row % 2}")
        assert part.positions[i].tolist() == [2 * row, 2 * row + 1]
    assert drawn(result, n) is result


# --- the whole way -----------------------------------------------------------------------------------------------


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return Runner(capsys)


def texts_file(folder, count=40):
    drawn = random.Random(0)
    words = [(thing, quality) for thing in TABLE[WHAT] for quality in TABLE[HOW]]
    rows = [
        {"id": i, "text": None if i % 9 == 4 else "the {} was {}".format(*drawn.choice(words)) + f" {i}"}
        for i in range(count)
    ]
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [row["text"] for row in rows]


def test_embedding_in_pieces_writes_what_embedding_whole_writes(command, tmp_path, monkeypatch):
    texts = texts_file(tmp_path)
    words = ("embed", "texts.jsonl", "--column", "text", "--ask", WHAT, "--ask", HOW, "--output")
    for name in ("a.npy", "a.parquet", "a.safetensors"):
        assert command(*words, name).code == 0, command.err
    monkeypatch.setattr(table_stream, "HEAD", 10**6)
    monkeypatch.setattr(disk_arrays, "PIECE", 10**6)
    assert command(*words, "b.npy").code == 0, command.err
    whole = np.load("b.npy")
    assert whole.shape == (2, 40, 64)
    np.testing.assert_array_equal(np.load("a.npy"), whole)
    np.testing.assert_array_equal(load_file("a.safetensors")[HOW], whole[1])
    frame = pl.read_parquet("a.parquet")
    assert frame.columns == ["id", "text", WHAT, HOW]
    assert frame["text"].to_list() == texts
    assert [cell is None for cell in frame[HOW].to_list()] == [text is None for text in texts]
    np.testing.assert_array_equal(
        np.array(frame[WHAT].drop_nulls().to_list(), np.float32), whole[0][np.any(whole[0], 1)]
    )
    assert not list(tmp_path.glob("*.work"))


def test_reading_in_pieces_then_clustering_equals_clustering_the_file(command, tmp_path):
    texts_file(tmp_path)
    assert command("read", "texts.jsonl", "--column", "text", "-o", "r").code == 0, command.err
    for name, source in (("a", ("texts.jsonl", "--column", "text")), ("b", ("r",))):
        assert command("cluster", *source, "--ask", WHAT, "--clusters", 2, "--output", name).code == 0, command.err
    one, other = (pl.read_parquet(tmp_path / name / "clusters.parquet") for name in "ab")
    for column in ("text", "what_is_it_cluster", "what_is_it_answer"):
        assert one[column].to_list() == other[column].to_list()


# --- memory ------------------------------------------------------------------------------------------------------

GROW = """
import resource, sys
from answerspace.backbones.fake import FakeBackbone
from answerspace.reading_file.writer import ReadingWriter
from answerspace.source_texts import Source, TextStream
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
def read(name):
    rows = 0
    with ReadingWriter(name + ".reading", FakeBackbone(), name, name, batch_size=64) as writer:
        for piece in TextStream(Source(name)):
            for text in piece.texts:
                writer.add(text or None)
        writer.finish()
read("small.txt")
before = peak()
read("large.txt")
print(peak() - before)
"""


@pytest.mark.skipif(not hasattr(resource, "getrusage"), reason="needs getrusage")
def test_reading_a_large_file_takes_a_fraction_of_its_size(tmp_path):
    """40 MB in texts of 4 kB: whole, they would take as much and more; a piece is 4 MB, held a few times over."""
    line = "word " * 800
    for name, count in (("small.txt", 500), ("large.txt", 10_000)):
        with (tmp_path / name).open("w") as file:
            file.writelines(f"{i} {line}\n" for i in range(count))
    done = subprocess.run([sys.executable, "-c", GROW], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 30
