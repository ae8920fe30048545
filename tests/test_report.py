"""The report file: one page, no network, texts never markup, numbers never NaN."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_results import corpus, question

from answerspace.errors import InputError
from answerspace.report import write_report
from answerspace.report.payload import GRID, LONGEST_TEXT, grid_positions
from answerspace.results import Cluster, CorpusResult, QuestionResult

NASTY = [
    "</script><script>alert(1)</script>",
    "<!-- <script> <img src=x onerror=alert(1)>",
    "line\u2028and\u2029paragraph & &amp; \"quotes\" 'single' \\ \x00 \x1b",
    "${title} $data $$ {{x}} `tick`",
    "emoji 🦄, Arabic مرحبا, Chinese 你好",
    "",
    " \n\t ",
]


class Page(HTMLParser):
    """Which elements a page has, and the contents of its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[str, dict[str, str | None], str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        tag, attributes = self.elements[-1] if self.elements else ("", {})
        if tag in ("script", "style") and data.strip():
            self.raw.append((tag, attributes, data))

    def data(self) -> dict[str, Any]:
        """The embedded JSON, read as strictly as a browser would."""
        (text,) = [raw for _, attributes, raw in self.raw if attributes.get("id") == "data"]
        return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in the page"))


def written(result: CorpusResult, folder: Path) -> Page:
    return Page(write_report(result, folder / "report.html").read_text(encoding="utf-8"))


def one_question(texts: list[str], labels: list[int], clusters: list[Cluster], **changes: Any) -> CorpusResult:
    n = len(texts)
    values: dict[str, Any] = {
        "question": "What?",
        "labels": np.array(labels, dtype=np.int64),
        "positions": np.arange(2 * n, dtype=np.float32).reshape(n, 2),
        "answers": ["it"] * n,
        "clusters": clusters,
        "method": "by hand",
    }
    return CorpusResult("Small", texts, [QuestionResult(**(values | changes))])


def test_texts_come_back_as_they_went_in(tmp_path: Path) -> None:
    page = written(corpus(len(NASTY), texts=NASTY), tmp_path)
    assert page.data()["texts"] == NASTY


def test_texts_never_become_markup(tmp_path: Path) -> None:
    hostile = "<img src=x onerror=alert(1)></title></script><script>alert(1)</script>"
    plain = written(corpus(5), tmp_path)
    result = corpus(5, texts=[hostile] * 5)
    answers = dataclasses.replace(
        result.questions[0],
        question=hostile,
        answers=[hostile] * 5,
        clusters=[dataclasses.replace(cluster, words=[hostile]) for cluster in result.questions[0].clusters],
    )
    result = dataclasses.replace(
        result, title=hostile, questions=[answers, *result.questions[1:]], facts={hostile: hostile}, gold=[hostile] * 5
    )
    attacked = written(result, tmp_path)
    assert [tag for tag, _ in attacked.elements] == [tag for tag, _ in plain.elements]
    assert attacked.data()["title"] == hostile


def test_lone_surrogates_are_replaced(tmp_path: Path) -> None:
    assert written(corpus(1, texts=["half \ud83e pair"]), tmp_path).data()["texts"] == ["half ? pair"]


def test_one_file_that_loads_nothing(tmp_path: Path) -> None:
    page = written(corpus(20), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    for tag, attributes in page.elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base"}
        assert "src" not in attributes
        assert not (attributes.get("href") or "#").startswith(("http", "//"))
        assert not [name for name in attributes if name.startswith("on")]
    for tag, _, text in page.raw:
        assert tag != "style" or not re.search(r"url\(|@import", text)


def test_policy_allows_exactly_the_own_scripts_and_style(tmp_path: Path) -> None:
    page = written(corpus(5), tmp_path)
    (policy,) = [a["content"] for t, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for _, attributes, text in page.raw:
        if attributes.get("type") != "application/json":
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy


def test_twenty_thousand_texts_stay_small(tmp_path: Path) -> None:
    """Three questions cost under 60 bytes a text above the texts: 2 x 5 digits, a label, an answer number each."""
    result = corpus(20_000)
    size = write_report(result, tmp_path / "report.html").stat().st_size
    assert size < sum(map(len, result.texts)) + 20_000 * 60 + 1_000_000


def test_long_texts_are_cut_and_counted(tmp_path: Path) -> None:
    data = written(corpus(3, texts=["word " * 500, "x" * LONGEST_TEXT, "short"]), tmp_path).data()
    assert [len(text) <= LONGEST_TEXT for text in data["texts"]] == [True] * 3
    assert data["texts"][0].endswith("word…")
    assert data["texts"][1] == "x" * LONGEST_TEXT
    assert data["cut"] == 1


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(CorpusResult("Empty", [], []), id="nothing"),
        pytest.param(CorpusResult("Texts only", ["a", "b"], []), id="no question"),
        pytest.param(one_question([], [], [], positions=np.zeros((0, 2), np.float32)), id="no texts"),
        pytest.param(one_question(["a"], [0], [Cluster(0, 1, [], [], [0])]), id="one text"),
        pytest.param(one_question(["a", "b"], [0, 0], [Cluster(0, 2, ["x"], [], [])]), id="one cluster"),
        pytest.param(one_question(["a", "b"], [-1, -1], [Cluster(-1, 2, [], [], [])]), id="all noise"),
        pytest.param(
            one_question(["a"], [0], [Cluster(0, 1, [], [], [], {}, float("nan"))], scores={"ari": float("nan")}),
            id="NaN scores",
        ),
    ],
)
def test_corner_cases_are_written(result: CorpusResult, tmp_path: Path) -> None:
    data = written(result, tmp_path).data()
    assert data["texts"] == result.texts
    assert len(data["questions"]) == len(result.questions)


def test_gold_labels_are_given_most_first(tmp_path: Path) -> None:
    cluster = Cluster(0, 3, ["x"], ["y"], [0], {"b": 1, "a": 2}, 0.9)
    result = dataclasses.replace(one_question(["p", "q", "r"], [0, 0, 0], [cluster]), gold=["a", "b", "a"])
    data = written(result, tmp_path).data()
    assert data["gold"] == {"values": ["a", "b"], "rows": [0, 1, 0]}
    assert data["questions"][0]["clusters"][0]["labelCounts"] == [["a", 2], ["b", 1]]
    assert data["questions"][0]["clusters"][0]["entropy"] == 0.9


def test_grid_keeps_the_shape_and_fills_the_longer_side() -> None:
    assert grid_positions(np.array([[-1, 5], [3, 7]], np.float32)) == [0, GRID // 4, GRID, 3 * GRID // 4]
    assert grid_positions(np.array([[4, 4]], np.float32)) == [GRID // 2, GRID // 2]
    assert grid_positions(np.zeros((0, 2), np.float32)) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answers": ["it"]}, "answers of 'What\\?' must have one row per text: 2. Got 1."),
        ({"positions": np.zeros((2, 3), np.float32)}, "positions must have shape"),
        ({"positions": np.full((2, 2), np.nan, np.float32)}, "must be finite"),
        ({"labels": np.array([0, 5])}, "Got none for \\[5\\]"),
        ({"clusters": [Cluster(0, 2, [], [], [9])]}, "row numbers from 0 to 1. Got 9."),
    ],
)
def test_a_result_that_does_not_fit_together_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    fitting = one_question(["a", "b"], [0, 0], [Cluster(0, 2, [], [], [])])
    result = dataclasses.replace(fitting, questions=[dataclasses.replace(fitting.questions[0], **changes)])
    with pytest.raises(InputError, match=message):
        write_report(result, tmp_path / "report.html")


def test_gold_must_have_one_label_per_text(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"one label per text: 4\. Got 1\."):
        write_report(dataclasses.replace(corpus(4), gold=["a"]), tmp_path / "report.html")


def test_the_helper_makes_what_the_browser_tests_count_on() -> None:
    made = question("Q?", np.array([0, 1, -1, 1]), ["a", "b"])
    assert [(cluster.label, cluster.size) for cluster in made.clusters] == [(0, 1), (1, 2), (-1, 1)]
