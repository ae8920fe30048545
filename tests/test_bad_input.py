"""Bad input: one sentence on standard error that says what to do, exit code 2, no traceback, nothing lost."""

import io
import os
import subprocess
import sys

import polars as pl
import pytest
from command_line import HOW, TABLE, TEXTS, WHAT, Runner, write_table

from answerspace.backbones.fake import FakeBackbone
from answerspace.cli.main import run


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "reviews.csv")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "blank.csv").write_text("text,id\n,1\nNaN,2\n")
    (tmp_path / "latin.csv").write_bytes("text\ncafé\n".encode("latin-1"))
    (tmp_path / "book.xlsx").write_bytes(b"PK\x03\x04 and so on")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.doc").write_text("do not touch")
    (tmp_path / "file").write_text("")
    return Runner(capsys)


ASK = ("--ask", WHAT)
BAD = [
    (("cluster", "nowhere.csv", *ASK), "There is no file 'nowhere.csv'"),
    (("cluster", ".", *ASK), "is a folder: give a file"),
    (("cluster", "reviews.csv", *ASK, "--column", "texts"), "no column 'texts'. Its columns are: id, text, kind."),
    (("cluster", "reviews.csv", *ASK, "--labels", "gold"), "no column 'gold'. Its columns are: id, text, kind."),
    (("cluster", "empty.csv", *ASK), "empty.csv is empty"),
    (("cluster", "blank.csv", *ASK, "--column", "text"), "must hold at least one text. Got 2 empty cells"),
    (("cluster", "blank.csv", *ASK), "with --column. blank.csv has: text, id."),
    (("cluster", "latin.csv", *ASK), "cannot be read as utf-8 (line 2): give its encoding, for example --encoding"),
    (("cluster", "latin.csv", *ASK, "--encoding", "klingon"), "--encoding must be a known encoding"),
    (("cluster", "book.xlsx", *ASK), "Excel workbook: save the texts as CSV"),
    (("cluster", "reviews.csv", *ASK, "--format", "xlsx"), "--format must be one of csv, tsv, jsonl, lines, parquet"),
    (("cluster", "reviews.csv", *ASK, "--limit", "0"), "--limit must be at least 1"),
    (("cluster", "reviews.csv", *ASK, "--clusters", "9"), "at least as many texts as clusters. Got 8 for --clusters 9"),
    (("cluster", "reviews.csv", *ASK, "--clusters", "1"), "--clusters must be a whole number of at least 2, or auto"),
    (("cluster", "reviews.csv", *ASK, "--clusters", "few"), "--clusters must be a whole number of at least 2, or auto"),
    (("cluster", "reviews.csv", *ASK, "--method", "ward"), "--method must be one of kmeans, hdbscan"),
    (("cluster", "reviews.csv", *ASK, "--method", "hdbscan", "--clusters", "3"), "leave it out"),
    (("cluster", "reviews.csv", *ASK, *ASK), "must be asked once. Got 'What is it?' twice."),
    (("cluster", "reviews.csv", "--ask", " "), "A question must have at least one word"),
    (("cluster", "reviews.csv"), "at least one question. Got none; add --ask"),
    (("cluster", "reviews.csv", *ASK, "--output", "foreign"), "foreign holds other files: give another --output"),
    (("cluster", "reviews.csv", *ASK, "--output", "file"), "is a file, not a folder"),
    (("cluster", "reviews.csv", *ASK, "--output", "file/below"), "cannot be written"),
    (("cluster", "reviews.csv", *ASK, "--output", "/proc/answers"), "cannot be written"),
    (("cluster",), "Missing argument 'FILE'. See: answerspace cluster --help"),
    (("cluster", "reviews.csv", "--question", WHAT), "No such option: --question"),
    (("cluster", "reviews.csv", *ASK, "--batch-size", "0"), "--batch-size"),
    (("clusters", "reviews.csv"), "No such command 'clusters'"),
    (
        ("embed", "reviews.csv", *ASK, "--column", "text", "--output", "v.txt"),
        "must end in .npy, .parquet, .safetensors",
    ),
    (("embed", "reviews.csv", *ASK, "--column", "text", "--output", "no/v.npy"), "in a folder that exists"),
    (("embed", "reviews.csv", "--column", "text", "--output", "v.npy"), "at least one question"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[" ".join(arguments) for arguments, _ in BAD])
def test_one_sentence_and_exit_code_2(command, tmp_path, arguments, message):
    before = sorted(tmp_path.rglob("*"))
    done = command(*arguments)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert done.out == ""
    assert command.backbone.reads == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_without_permission(command):
    done = command("cluster", "reviews.csv", *ASK, "--output", "/proc/nobody/out")  # not even root may write there
    assert done.code == 2
    assert "cannot be written" in done.err


@pytest.mark.parametrize(
    ("question", "text", "message"),
    [(WHAT, " \n", "There must be a text on standard input"), ("", "soup", "A question must have at least one word")],
)
def test_nothing_to_ask(command, monkeypatch, question, text, message):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    done = command("ask", question)
    assert done.code == 2
    assert message in done.err


def test_force_adds_to_a_foreign_folder_and_leaves_its_files(command, tmp_path):
    assert command("cluster", "reviews.csv", *ASK, "--output", "foreign", "--force").code == 0
    assert (tmp_path / "foreign" / "thesis.doc").read_text() == "do not touch"
    assert command("cluster", "reviews.csv", *ASK, "--output", "foreign").code == 0  # now it is ours as well


def test_a_text_of_a_hundred_thousand_words_works_and_is_noted(command, tmp_path):
    class Short(FakeBackbone):
        max_length = 512

        def read(self, texts):
            return [words[:512] for words in super().read(texts)]

    command.backbone = Short(TABLE)
    write_table(tmp_path / "long.csv", [*TEXTS, "soup " * 100_000])
    done = command("cluster", "long.csv", *ASK, "--column", "text", "--output", "out")
    assert done.code == 0, done.err
    assert "1 text is longer than the 512 tokens that the model reads; the rest is left out." in done.err


def test_cells_that_are_no_text_are_noted_and_kept(command, tmp_path):
    frame = pl.DataFrame({"text": [1.0, 2.5, float("nan"), None, 1.0]})
    frame.write_parquet(tmp_path / "numbers.parquet")
    done = command("cluster", "numbers.parquet", *ASK, "--output", "out")
    assert done.code == 0, done.err
    assert "2 cells of column 'text' without a text: kept in the output, not embedded." in done.err
    assert "3 cells of column 'text' held numbers or other values: turned into text." in done.err
    assert pl.read_parquet(tmp_path / "out" / "clusters.parquet")["what_is_it_answer"].to_list() == [
        "1",
        "2.5",
        None,
        None,
        "1",
    ]


def test_malformed_rows_are_noted(command, tmp_path):
    (tmp_path / "broken.csv").write_text("id,text\n1,the soup\n2\n3,the bed\n")
    done = command("cluster", "broken.csv", *ASK, "--output", "out")
    assert done.code == 0
    assert "1 row of broken.csv was skipped because it is not a row of 2 cells (line 3)." in done.err


def test_a_bad_second_command_loses_nothing_of_the_first(command, tmp_path):
    assert command("cluster", "reviews.csv", *ASK, "--output", "out").code == 0
    before = (tmp_path / "out" / "clusters.csv").read_text()
    asked = command.backbone.asks
    assert command("cluster", "reviews.csv", *ASK, "--output", "out", "--clusters", "99").code == 2
    assert (tmp_path / "out" / "clusters.csv").read_text() == before
    assert command("cluster", "reviews.csv", *ASK, "--ask", HOW, "--output", "out").code == 0
    assert command.backbone.asks == asked + 1


# --- models: the real loader -------------------------------------------------------------------------------------


def without_a_model(capsys, tmp_path, model):
    write_table(tmp_path / "a.csv")
    code = run(
        ["cluster", str(tmp_path / "a.csv"), *ASK, "--output", str(tmp_path / "out"), "--model", str(model), "--quiet"]
    )
    said = capsys.readouterr().err
    assert code == 2, said
    assert "Traceback" not in said
    return said


def test_a_model_path_that_is_no_model(capsys, tmp_path):
    (tmp_path / "model").mkdir()
    assert str(tmp_path / "model") in without_a_model(capsys, tmp_path, tmp_path / "model")


@pytest.mark.slow  # imports transformers
def test_an_unsupported_architecture(capsys, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(
        '{"architectures": ["ViTForImageClassification"], "model_type": "vit"}'
    )
    assert "ViTForImageClassification" in without_a_model(capsys, tmp_path, tmp_path / "model")


@pytest.mark.slow  # the same, in a process of its own
def test_no_network_for_a_hub_id(tmp_path):
    """In a process of its own: the hub's client reads its environment once."""
    pytest.importorskip("huggingface_hub")
    write_table(tmp_path / "a.csv")
    code = "import sys; from answerspace.cli.main import run; sys.exit(run())"
    options = ["cluster", "a.csv", *ASK, "--output", "out", "--model", "nobody/nothing-at-all", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", code, *options],
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "nobody/nothing-at-all" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
