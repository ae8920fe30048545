"""The uses of instruction sets as commands: files in, files out, one clear sentence when something is wrong."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import polars as pl
import pytest
from command_line import Runner
from playwright.sync_api import sync_playwright

from answerspace.report.heatmap import HeatMap, shares, write_heatmaps

THINGS = ["cats", "rain", "the sea", "trains", "an old house", "bread", "two friends", "winter"]
TASKS = {
    "Write a story about {}.": "write|story",
    "List three facts about {}.": "list|fact",
    "Translate a sentence about {}.": "translate|sentence",
    "Rewrite my letter about {}.": "rewrite|letter",
}
ROWS = [
    {"instruction": form.format(thing), "input": "", "output": f"o{i}", "label": label}
    for i, thing in enumerate(THINGS)
    for form, label in TASKS.items()
]
BY = ("--by", "bundled", "--quiet")  # the fake backbone answers with the first word: Write, List, Translate, Rewrite


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "pool.jsonl", ROWS)
    return Runner(capsys)


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


# --- select ------------------------------------------------------------------------------------------------------


def test_select_writes_the_rows_as_they_were_and_says_what_they_cover(command, tmp_path):
    done = command(
        "instructions",
        "select",
        "pool.jsonl",
        "--count",
        4,
        "--output",
        "chosen.jsonl",
        "--labels",
        "label",
        *BY,
        *("--method", "facility-location"),
    )
    assert done.code == 0, done.err
    chosen = read(tmp_path / "chosen.jsonl")
    assert {row["label"] for row in chosen} == set(TASKS.values())
    assert all(row in ROWS for row in chosen)
    assert "4 of 32 distinct instructions by facility-location." in done.out
    assert "100.0 % of the tasks" in done.out
    assert done.err == ""


def test_select_compares_the_methods_with_the_parsers_tasks(command):
    done = command(
        *("instructions", "select", "pool.jsonl", "--count", 4, "--output", "c.jsonl"),
        *("--labels", "label", "--compare", 2, *BY),
    )
    assert done.code == 0, done.err
    rows = {line.split("|")[2].strip(): line for line in done.out.splitlines() if line.startswith("| 4 ")}
    assert set(rows) == {"facility-location", "clusters", "k-center", "random", "tasks"}
    assert "100.0 ± 0.0 %" in rows["tasks"]


def test_bad_rows_are_told_and_the_rest_is_used(command, tmp_path):
    path = tmp_path / "mixed.jsonl"
    lines = ['{"instruction": "Write a poem."}', "not json", '{"instruction": ""}', '"List cities."']
    path.write_text("\n".join([*lines, '[{"role": "user", "content": "Sing."}]']) + "\n")
    done = command("instructions", "select", path, "--count", 3, "--output", "c.jsonl", "--by", "bundled")
    assert done.code == 0, done.err
    assert "1 row was left out of mixed.jsonl: it is not valid JSON (row 2)." in done.err
    assert "empty (row 3)" in done.err
    assert {json.dumps(row) for row in read(tmp_path / "c.jsonl")} == {
        '{"instruction": "Write a poem."}',
        '{"instruction": "List cities."}',
        '{"messages": [{"role": "user", "content": "Sing."}]}',
    }


# --- retrieve ----------------------------------------------------------------------------------------------------


def test_retrieve_finds_the_same_task(command, tmp_path):
    new = ["Write something new.", "List it."]
    write(tmp_path / "new.jsonl", [{"prompt": text} for text in new])
    done = command(
        "instructions", "retrieve", "pool.jsonl", "--queries", "new.jsonl", "--top", 3, "--output", "d.jsonl", *BY
    )
    assert done.code == 0, done.err
    found = read(tmp_path / "d.jsonl")
    assert [(row["query"], row["rank"], row["label"]) for row in found] == [
        *((new[0], rank, "write|story") for rank in (1, 2, 3)),
        *((new[1], rank, "list|fact") for rank in (1, 2, 3)),
    ]
    assert all(row["output"].startswith("o") and row["cosine"] == 1 for row in found)


def test_retrieve_prints_and_measures(command, tmp_path):
    done = command(
        "instructions", "retrieve", "pool.jsonl", "--instruction", "Write!", "--labels", "label", "--top", 2, *BY
    )
    assert done.code == 2
    assert "must have more than 10 rows" in done.err
    write(
        more := tmp_path / "more.jsonl",
        ROWS + [row | {"instruction": row["instruction"] + " Now"} for row in ROWS],
    )
    done = command("instructions", "retrieve", more, "--instruction", "Write ...", "--labels", "label", "--top", 2, *BY)
    assert done.code == 0, done.err
    assert "| bundled | 1.000 | 1.000 | 1.000 |" in done.out
    assert "| tfidf-words |" in done.out
    assert done.out.count("   1.000  row ") == 2


# --- compress, estimate ------------------------------------------------------------------------------------------


def test_compress_then_estimate(command, tmp_path):
    rng = np.random.default_rng(0)
    skill, hard = rng.normal(0, 1, 10), rng.normal(0, 1, 60)
    scores = (rng.random((60, 10)) < 1 / (1 + np.exp(hard[:, None] - skill))).astype(int)
    lines = ["id," + ",".join(f"m{i}" for i in range(10))]
    lines += [f"q{i}," + ",".join(map(str, row)) for i, row in enumerate(scores)]
    (tmp_path / "scores.csv").write_text("\n".join([*lines, "q60,1,,1,1,1,1,1,1,1,1"]) + "\n")
    done = command("instructions", "compress", "scores.csv", "--count", 15, "--output", "short.csv", "--draws", 3)
    assert done.code == 0, done.err
    assert "1 of 61 items were left out because they lack a score (q60)." in done.err
    assert "60 items, 10 models." in done.out
    assert "| 15 | calibrated |" in done.out
    assert "| 15 | random |" in done.out
    short = pl.read_csv(tmp_path / "short.csv")
    assert short.height == 16
    assert short["item"][-1] == "(offset)"
    done = command("instructions", "estimate", "short.csv", "scores.csv", "--quiet")
    estimates = {line.split()[1]: float(line.split()[0]) for line in done.out.splitlines()}
    assert list(estimates.values()) == sorted(estimates.values(), reverse=True)
    assert max(abs(estimates[f"m{i}"] - scores[:, i].mean()) for i in range(10)) < 0.1


# --- correlate ---------------------------------------------------------------------------------------------------


def test_correlate_writes_numbers_and_a_page(command, tmp_path):
    texts = [f"{verb} number {i}" for i in range(30) for verb in ("Write", "List")]
    (tmp_path / "both.txt").write_text("\n".join(texts) + "\n")
    (tmp_path / "lists.txt").write_text("\n".join(f"List thing {i}" for i in range(40)) + "\n")
    done = command("instructions", "correlate", "both.txt", "lists.txt", "--output", "o.json", *BY)
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "o.json").read_text())
    reach = np.array(found["reach"])
    assert found["names"] == ["both", "lists"]
    assert reach[1, 0] > 0.99  # lists are found among both
    assert reach[0, 1] < 0.8  # half of both is no list
    assert "| Reach (row found in column) | both | lists |" in done.out
    assert command("instructions", "correlate", "both.txt", "lists.txt", "--output", "o.html", *BY).code == 0
    page = (tmp_path / "o.html").read_text()
    assert "<h2>Reach</h2>" in page
    assert "http" not in page.replace("http-equiv", "")


# --- deduplicate, audit ------------------------------------------------------------------------------------------


def test_deduplicate_keeps_the_first_of_a_kind_and_looks_at_inputs(command, tmp_path):
    rows = [
        {"instruction": "Sort the following list of numbers.", "input": "3 1 2"},
        {"instruction": "Sort the following list of numbers", "input": "3, 1, 2"},
        {"instruction": "Sort the following list of numbers.", "input": "apples and pears and plums and cherries"},
    ]
    write(tmp_path / "sort.jsonl", rows)
    done = command("instructions", "deduplicate", "sort.jsonl", "--output", "clean.jsonl")
    assert done.code == 0, done.err
    assert "3 rows: 1 near-duplicates dropped, 2 kept." in done.out
    assert read(tmp_path / "clean.jsonl") == [rows[0], rows[2]]
    command("instructions", "deduplicate", "sort.jsonl", "--output", "clean.jsonl", "--instruction-only")
    assert read(tmp_path / "clean.jsonl") == rows[:1]


def test_audit_writes_its_folder_and_names_what_is_over_represented(command, tmp_path):
    stories = [
        {"instruction": f"Write a story about number {i} and {t}.", "label": "write|story"}
        for i, t in enumerate(THINGS * 6)
    ]
    write(tmp_path / "mine.jsonl", ROWS + stories)
    options = ("--reference", "pool.jsonl", "--labels", "label", "--output", "audit", *BY)
    done = command("instructions", "audit", "mine.jsonl", *options)
    assert done.code == 0, done.err
    assert sorted(path.name for path in (tmp_path / "audit").iterdir()) == [
        *(".work", "instructions.csv", "report.html", "summary.json", "tasks.csv"),
    ]
    summary = json.loads((tmp_path / "audit" / "summary.json").read_text())
    assert [task["task"] for task in summary["over_represented"]] == ["write|story"]
    tasks = pl.read_csv(tmp_path / "audit" / "tasks.csv")
    assert tasks["count"].to_list() == [56, 8, 8, 8]
    assert pl.read_csv(tmp_path / "audit" / "instructions.csv").height == 80
    assert "2.8 times the expected share" in done.out
    assert command("instructions", "audit", "mine.jsonl", *options).code == 0  # its own folder is written again
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    assert "holds other files" in command("instructions", "audit", "mine.jsonl", "--output", "other", *BY).err


def test_audit_by_the_parser_and_the_task_embedding(command, tmp_path):
    done = command("instructions", "audit", "pool.jsonl", "--output", "audit", "--quiet")
    assert done.code == 0, done.err
    tasks = set(pl.read_csv(tmp_path / "audit" / "tasks.csv")["task"])
    assert {"write|story", "list|fact"} <= tasks


# --- what is wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("select", "pool.jsonl", "--count", 33, "--output", "c.jsonl"), "between 1 and the pool's 32"),
        (("select", "pool.jsonl", "--count", 3, "--output", "c.csv"), "--output must end in .jsonl"),
        (("select", "pool.jsonl", "--count", 3, "--output", "no/c.jsonl"), "a folder that exists"),
        (("select", "pool.jsonl", "--count", 3, "--output", "c.jsonl", "--labels", "kind"), "Row 1 has no 'kind'"),
        (("select", "none.jsonl", "--count", 3, "--output", "c.jsonl"), "There is no file"),
        (("retrieve", "pool.jsonl"), "give --instruction, --queries or --labels"),
        (("retrieve", "pool.jsonl", "--instruction", " "), "must hold words"),
        (("compress", "pool.jsonl", "--count", 2, "--output", "s.csv"), "at least 2 models"),
        (("compress", "pool.jsonl", "--count", 2, "--output", "s.txt"), "--output must end in .csv"),
        (("correlate", "pool.jsonl"), "at least two"),
        (("correlate", "pool.jsonl", "pool.jsonl", "--output", "o.png"), ".html or .json"),
        (("correlate", "pool.jsonl", "pool.jsonl", *("--field", "instruction") * 3), "Got 3 for 2 files"),
        (("deduplicate", "pool.jsonl", "--output", "c.jsonl", "--threshold", 2), "at most 1"),
        (("audit", "pool.jsonl", "--output", "pool.jsonl"), "is a file, not a folder"),
    ],
)
def test_one_sentence_says_what_is_wrong(command, arguments, said):
    done = command("instructions", *arguments)
    assert done.code == 2
    assert said in done.err
    assert done.err.strip().count("\n") == 0


# --- the pages in a browser --------------------------------------------------------------------------------------


def test_shades_run_from_faint_to_full():
    values = np.array([[0.0, 0.5], [1.0, 0.25]])
    assert shares(values).max() == 1
    assert shares(values, reverse=True)[0, 0] == 1
    assert (shares(np.ones((2, 2))) == 0.5).all()


@pytest.mark.browser
def test_the_pages_are_complete_offline_and_hostile_texts_stay_text(command, tmp_path):
    hostile = "Write <img src=x onerror=\"document.title='owned'\"> a story</script>."
    write(tmp_path / "mine.jsonl", [*ROWS, {"instruction": hostile, "label": "<b>bold</b>|x"}])
    assert command("instructions", "audit", "mine.jsonl", "--labels", "label", "--output", "audit", *BY).code == 0
    names = ["<i>one</i>", "two & three"]
    write_heatmaps(
        "Maps <b>",
        "Lead",
        [HeatMap("Reach", "What", names, names, np.array([[1, 0.2], [0.4, 0.9]]))],
        tmp_path / "h.html",
    )
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "Chromium must be installed for the browser tests, or leave them out with -m 'not browser'."
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(offline=True).new_page()
        page.set_default_timeout(120_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((tmp_path / "audit" / "report.html").as_uri())
        assert page.locator("#questions button").all_inner_texts() == [
            *("Which task?", "Which verb?", "Is its task over-represented?", "Is it there twice?")
        ]
        assert "Write story" in page.locator(".card h3").all_inner_texts()[0]
        assert "owned" not in page.title()
        page.get_by_role("tab", name="Is it there twice?").click()
        assert "Alone" in page.locator(".card h3").last.inner_text()
        page.goto((tmp_path / "h.html").as_uri())
        assert page.locator("th[scope=row]").all_inner_texts() == names
        shade = page.locator("td[data-share]").first.evaluate("cell => getComputedStyle(cell).backgroundColor")
        assert shade == "rgb(10, 92, 143)"
        browser.close()
    assert complaints == []
