import io
import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from command_line import HOW, TEXTS, WHAT, Runner, write_table
from safetensors.numpy import load_file

from answerspace.cli.main import COMMANDS, run


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "reviews.csv")
    return Runner(capsys)


def stdin(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


# --- cluster -----------------------------------------------------------------------------------------------------


def test_cluster_writes_the_folder_and_prints_a_table(command, tmp_path):
    done = command("cluster", "reviews.csv", "--ask", WHAT, "--ask", HOW, "--clusters", 2, "--output", "out")
    assert done.code == 0, done.err
    assert WHAT in done.out
    assert "food" in done.out
    assert "out/report.html" in done.out
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        ".work",
        "clusters.csv",
        "clusters.parquet",
        "report.html",
        "summary.json",
    ]
    frame = pl.read_parquet(tmp_path / "out" / "clusters.parquet")
    assert frame.columns == [
        *("id", "text", "kind"),
        *(f"what_is_it_{name}" for name in ("cluster", "words", "answer", "x", "y")),
        *(f"how_is_it_{name}" for name in ("cluster", "words", "answer", "x", "y")),
    ]
    assert frame["id"].to_list() == [str(i) for i in range(8)]
    assert frame["what_is_it_cluster"].to_list() == [0] * 4 + [1] * 4
    assert frame["how_is_it_answer"].to_list() == ["happy", "angry"] * 4
    assert frame["what_is_it_words"].to_list() == ["food"] * 4 + ["hotel"] * 4
    assert pl.read_csv(tmp_path / "out" / "clusters.csv").columns == frame.columns


def test_json_is_all_there_is_on_standard_output(command):
    done = command("cluster", "reviews.csv", "--ask", WHAT, "--clusters", 2, "--labels", "kind", "--json", "--quiet")
    summary = json.loads(done.out)
    assert done.err == ""
    [question] = summary["questions"]
    assert question["scores"] == {"v_measure": 1.0, "ari": 1.0}
    assert question["clusters"][0] == {
        "cluster": 0,
        "size": 4,
        "words": ["food"],
        "head_words": question["clusters"][0]["head_words"],
        "typical": TEXTS[:4],
        "labels": {"k0": 4},
        "entropy": 0.0,
    }


def test_labels_add_scores_and_entropy_to_the_table(command):
    done = command("cluster", "reviews.csv", "--ask", WHAT, "--clusters", 2, "--labels", "kind")
    assert "entropy" in done.out
    assert "V-measure 1.000" in " ".join(done.out.split())


def test_rows_without_a_text_stay_with_null(command, tmp_path):
    (tmp_path / "gaps.csv").write_text("text\nthe soup\n\nNaN\nthe bed\n" + '""\n')
    done = command("cluster", "gaps.csv", "--ask", WHAT, "--output", "out")
    assert done.code == 0, done.err
    assert "2 cells of column 'text' without a text" in done.err
    frame = pl.read_csv(tmp_path / "out" / "clusters.csv")
    assert [c is None for c in frame["what_is_it_cluster"]] == [False, True, False, True]


def test_the_same_command_again_computes_nothing(command):
    again = ("cluster", "reviews.csv", "--ask", WHAT, "--output", "out")
    assert command(*again).code == 0
    asked = command.backbone.asks
    assert command(*again, "--ask", HOW).code == 0
    assert command.backbone.asks == asked + 1


def test_an_earlier_result_can_be_clustered_again(command, tmp_path):
    command("cluster", "reviews.csv", "--ask", WHAT, "--output", "out")
    done = command("cluster", "out/clusters.csv", "--column", "text", "--ask", WHAT, "--output", "again")
    assert done.code == 0, done.err
    assert "what_is_it_2_cluster" in pl.read_parquet(tmp_path / "again" / "clusters.parquet").columns


def test_standard_input_and_markup_in_texts(command, monkeypatch):
    stdin(monkeypatch, "[red]soup[/red] \x1b[31m\n[/] bed\n[bold]pasta\n")
    done = command("cluster", "-", "--ask", WHAT, "--clusters", 2)
    assert done.code == 0, done.err
    assert "[red]soup[/red]" in done.out or "[bold]pasta" in done.out
    assert "\x1b[31m" not in done.out


@pytest.mark.parametrize("method", ["kmeans", "hdbscan"])
def test_methods(command, method):
    assert command("cluster", "reviews.csv", "--ask", WHAT, "--method", method, "--no-centre").code == 0


def test_limit_and_seed(command, tmp_path):
    done = command("cluster", "reviews.csv", "--ask", WHAT, "--limit", 5, "--seed", 3, "--output", "out")
    assert done.code == 0, done.err
    assert pl.read_parquet(tmp_path / "out" / "clusters.parquet").height == 5


# --- embed, ask, demo --------------------------------------------------------------------------------------------


def test_embed_writes_each_format(command, tmp_path):
    (tmp_path / "gap.csv").write_text('id,text\n1,the soup\n2,""\n3,the bed here\n')
    both = ("embed", "gap.csv", "--column", "text", "--ask", WHAT, "--ask", HOW, "--output")
    for name in ("v.npy", "v.parquet", "v.safetensors"):
        done = command(*both, name)
        assert done.code == 0, done.err
    array = np.load(tmp_path / "v.npy")
    tensors = load_file(tmp_path / "v.safetensors")
    frame = pl.read_parquet(tmp_path / "v.parquet")
    assert array.shape == (2, 3, 64)
    np.testing.assert_allclose(np.linalg.norm(array[0], axis=1), [1, 0, 1], rtol=1e-6)
    np.testing.assert_array_equal(array[1], tensors[HOW])
    assert frame.columns == ["id", "text", WHAT, HOW]
    assert frame[WHAT][1] is None
    np.testing.assert_allclose(frame[WHAT][0].to_numpy(), array[0, 0])
    assert not list(tmp_path.glob("*.work"))
    assert command("embed", "gap.csv", "--column", "text", "--ask", WHAT, "--output", "one.npy").code == 0
    assert np.load(tmp_path / "one.npy").shape == (3, 64)


def test_ask_answers_one_text_or_every_line(command, monkeypatch):
    stdin(monkeypatch, "here the soup\nand the bed\n")
    assert command("ask", WHAT).out == "food\n"
    stdin(monkeypatch, "the soup\n\nthe bed\n")
    assert command("ask", WHAT, "--lines").out == "food\n\nhotel\n"
    stdin(monkeypatch, "the soup\n")
    assert command("ask", WHAT, "--words").out.startswith("food\tfood")


@pytest.mark.slow
def test_the_demo_runs_on_the_packaged_reviews(command, tmp_path):
    done = command("demo", "--output", "out", "--quiet")
    assert done.code == 0, done.err
    assert "How does the writer feel?" in done.out
    assert (tmp_path / "out" / "report.html").exists()


# --- the door itself ---------------------------------------------------------------------------------------------


def test_every_command_has_help_with_an_example(capsys):
    for name in COMMANDS:
        assert run([name, "--help"]) == 0
        assert f"answerspace {name}" in capsys.readouterr().out.replace("Usage: answerspace", "")


def test_version_and_no_command(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("answerspace 0.")
    assert run([]) in (0, 2)


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from answerspace.cli.main import run; run(['--help']); "
        "print(sorted({'torch', 'transformers', 'sklearn', 'polars', 'onnxruntime', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "answerspace cluster" in done.stdout


def test_our_own_faults_are_one_sentence_unless_asked(capsys, tmp_path):
    def broken(name):
        raise RuntimeError("a wire\nis loose")

    write_table(tmp_path / "a.csv")
    arguments = ["cluster", str(tmp_path / "a.csv"), "--ask", WHAT, "--output", str(tmp_path / "out")]
    assert run(arguments, load=broken) == 1
    said = capsys.readouterr().err
    assert said == ("Something went wrong inside answerspace (RuntimeError: a wire); add --debug to see where.\n")
    with pytest.raises(RuntimeError):
        run([*arguments, "--debug"], load=broken)
