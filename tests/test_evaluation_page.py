"""The figures and the page of an evaluation, drawn from a run of the command line with a backbone of known numbers."""

from __future__ import annotations

import base64
import os
import re
import shutil
import struct
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from answerspace import Embedder
from answerspace.backbones.fake import FakeBackbone
from answerspace.cli.main import run
from answerspace.evaluation.drawing import THEMES, draw, write_plots
from answerspace.evaluation.figures import MOST, Figure, Panel, Series, figures_of, headlines, shown_encoders
from answerspace.evaluation.page import page, write_page
from answerspace.evaluation.results import EncoderFacts, Evaluation, PublishedRow, Summary, TaskResult
from answerspace.evaluation.scores import Score

DATA = Path(__file__).parent / "data" / "written_small"
HOSTILE = '<script>document.title="owned"</script>"&\'><img src=x onerror=alert(1)>'
KINDS = ("correct", "implicit", "incorrect")


def score(value, spread=1.0):
    return Score(value, value - spread, value + spread, "made by hand")


def made(encoders, values, *, tasks=(("one", "clustering"),), summaries=(), published=(), instructions=None):
    """An evaluation in which every encoder has ``values[name]`` on every task."""
    results = []
    for task, kind in tasks:
        for one in encoders:
            value = values[one.name]
            measures = {"v_measure": score(value)}
            if kind == "lists":
                measures = {"delta_correct": score(value), "delta_implicit": score(value / 2)}
                measures |= {f"v_{k}": score(value + i) for i, k in enumerate(("original", *KINDS))}
            results.append(TaskResult(task, one.name, "by hand", measures, {}, instructions or [], 10, 1.5))
    facts = {"suite": "own", "instructions": ["What?"], "licence": "none", "citation": "none"}
    return Evaluation(
        {"data": "by hand"},
        {"sentence": "protocol by hand"},
        [{"name": task, "kind": kind, **facts} for task, kind in tasks],
        list(encoders),
        results,
        list(summaries),
        [],
        list(published),
    )


def model(name="m", **options):
    said = ", ".join(f"{key} {value}" for key, value in options.items())
    return EncoderFacts(f"{name} ({said})" if said else name, "model", {"model": name, **options})


BASE = EncoderFacts("minilm", "baseline", {"model": "minilm", "join": "alone"})


# --- what is shown -----------------------------------------------------------------------------------------------


def test_a_sweep_over_layers_and_aggregations_gives_a_line_per_aggregation():
    encoders = [model(layer=layer, aggregation=name) for layer in (2, 10) for name in ("avg-gen", "first_answer")]
    values = {one.name: float(place) for place, one in enumerate(encoders)} | {"minilm": 9.0}
    figures = {figure.name: figure for figure in figures_of(made([*encoders, BASE], values))}
    layers = figures["layers"].panels[0]
    assert {s.name: list(zip(s.x, [x.value for x in s.scores], strict=True)) for s in layers.series} == {
        "mean_answer": [(2.0, 0.0), (10.0, 2.0)],
        "first_answer": [(2.0, 1.0), (10.0, 3.0)],
    }
    columns = figures["aggregations"].panels[0]  # at the last layer that was named
    assert columns.ticks == ("mean_answer", "first_answer")
    assert [(s.name, [x.value for x in s.scores]) for s in columns.series] == [("m", [2.0, 3.0])]
    assert columns.levels == layers.levels == {"minilm": 9.0}


def test_the_filter_figure_pairs_each_variation_with_itself():
    names = ("mean_answer", "last_answer")
    encoders = [model(aggregation=name, filter=on) for name in names for on in (False, True)]
    values = {one.name: 10.0 * place for place, one in enumerate(encoders)}
    figure = next(f for f in figures_of(made(encoders, values)) if f.name == "filter")
    without, filtered = figure.panels[0].series
    assert figure.panels[0].ticks == ("m, mean_answer", "m, last_answer")
    assert [x.value for x in without.scores] == [0.0, 20.0]
    assert [x.value for x in filtered.scores] == [10.0, 30.0]


def test_a_run_without_variation_has_no_sweep_figures():
    figures = figures_of(made([model(), BASE], {"m": 1.0, "minilm": 2.0}))
    assert [figure.name for figure in figures] == ["overview"]


def test_a_task_that_a_summary_covers_is_no_headline_and_minimum_and_maximum_stay_in_the_tables():
    summaries = [
        Summary("own", "mean V", "m", score(5.0), ["one", "two"]),
        Summary("own", "mean delta_correct_min_max", "m", score(5.0), ["one"]),
    ]
    tasks = (("one", "clustering"), ("two", "clustering"), ("three", "clustering"))
    evaluation = made([model()], {"m": 1.0}, tasks=tasks, summaries=summaries)
    assert [(one.scope, one.measure) for one in headlines(evaluation)] == [("own", "mean V"), ("three", "v_measure")]


def test_too_many_encoders_show_the_first_of_each_model_whatever_their_scores():
    encoders = [*(model(name, layer=layer) for name in "ab" for layer in range(MOST)), BASE]
    values = {one.name: float(place) for place, one in enumerate(encoders)}
    kept, note = shown_encoders(made(encoders, values))
    assert [one.name for one in kept] == ["a (layer 0)", "b (layer 0)", "minilm"]
    assert f"3 of {len(encoders)}" in note


def test_published_numbers_stand_beside_ours_and_are_named_as_such():
    rows = [PublishedRow("e5-large-v2", "one", "v_measure", 54.1, "the paper")]
    evaluation = made([model()], {"m": 1.0}, published=rows)
    figure = figures_of(evaluation)[0]
    assert figure.panels[0].published == {"e5-large-v2": 54.1}
    assert [series.name for series in figure.panels[0].series] == ["m"]
    source = page(evaluation, [])
    assert '<th class="published" scope="col">published: e5-large-v2</th>' in source
    assert '<td class="published">54.1</td>' in source
    assert "not measured here (the paper)" in source


# --- how it is drawn ---------------------------------------------------------------------------------------------


def every_shape():
    one = Series("a", [0.0, 1.0], [score(1.0), score(2.0)], [[1.0, 2.0], [3.0]])
    other = Series("b", [0.0, 1.0], [score(3.0), score(4.0)], [[1.0], [2.0, 2.5]])
    named = Panel("a panel", ("first", "second"), [one, other], {"first": 1.0})
    numeric = Panel("numbers", (), [one, other], {"level": 1.5})
    shapes = {"dots": named, "columns": named, "lines": numeric, "dumbbells": named, "swarm": named}
    return [Figure(shape, "A title", shape, "A caption", [panel] * 3) for shape, panel in shapes.items()]


@pytest.mark.parametrize("figure", every_shape(), ids=lambda figure: figure.shape)
@pytest.mark.parametrize("theme", THEMES)
def test_every_shape_draws_in_both_themes_with_its_words_as_text(figure, theme):
    root = ElementTree.fromstring(draw(figure, theme=theme))
    words = {"".join(element.itertext()).strip() for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {figure.panels[0].title, "a", "b"} <= words
    assert THEMES[theme].series[0].lower() in draw(figure, theme=theme).decode().lower()


def test_the_same_figure_is_the_same_bytes():
    figure = every_shape()[0]
    assert draw(figure) == draw(figure)


def test_plots_come_as_svg_and_png(tmp_path):
    paths = write_plots(every_shape()[:1], tmp_path)
    assert [path.name for path in paths] == ["dots.svg", "dots.png"]
    head = paths[1].read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">I", head[16:20])[0] > 800  # pixels across


# --- the page ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """What the command leaves behind, with everything varied that can be."""
    folder = tmp_path_factory.mktemp("run")
    words = "--aggregation mean_answer --aggregation mean_all --layer 1 --layer 2 --filter both --baseline random"
    arguments = ["evaluate", "--data", str(DATA), "--model", "fake", "--seeds", "2", "--output", str(folder), "-q"]
    assert run([*arguments, *words.split()], load=lambda name: Embedder(FakeBackbone())) == 0
    return folder


def test_evaluate_leaves_the_page_and_its_plots(run_folder):
    source = (run_folder / "evaluation.html").read_text(encoding="utf-8")
    plots = {path.name for path in (run_folder / "plots").iterdir()}
    names = {"overview", "aggregations", "layers", "filter"}
    assert {f"{name}.{kind}" for name in names for kind in ("svg", "png")} <= plots
    for title in ("Scores", "All encoders", "Aggregation", "Depth", "The answer filter", "Paired differences", "Tasks"):
        assert f"<h2>{title}" in source
    assert source.count("data:image/svg+xml;base64,") == 2 * len(plots) / 2
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", source)  # nothing is fetched


def test_every_image_of_the_page_is_an_svg_that_stands_alone(run_folder):
    source = (run_folder / "evaluation.html").read_text(encoding="utf-8")
    for image in re.findall(r"base64,([^\"]+)\"", source):
        assert ElementTree.fromstring(base64.b64decode(image)).tag.endswith("svg")


def test_names_are_text_never_markup():
    evaluation = made([model(HOSTILE), BASE], {HOSTILE: 1.0, "minilm": 2.0}, tasks=((HOSTILE, "clustering"),))
    source = page(evaluation, [(figure, {"light": draw(figure)}) for figure in figures_of(evaluation)])
    assert HOSTILE not in source
    assert source.count("<script") == 1
    assert "onerror=alert(1)&gt;" in source


def test_without_matplotlib_the_page_has_its_tables_and_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    said = []
    paths = write_page(made([model(), BASE], {"m": 1.0, "minilm": 2.0}), tmp_path, tell=said.append)
    assert [path.name for path in paths] == ["evaluation.html"]
    assert said == ["Plots needs extra packages: pip install 'answerspace[eval]'."]
    assert "<h2>Scores" in paths[0].read_text(encoding="utf-8")


@pytest.mark.browser
def test_a_browser_shows_it_without_a_complaint_and_changes_its_colours(run_folder):
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium is not None, "Chromium must be installed for the browser tests. Type: apt-get install chromium"
    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
        tab.goto((run_folder / "evaluation.html").as_uri())
        shown = "[...document.images].filter(i => i.offsetWidth).map(i => [i.className, i.naturalWidth > 300])"
        light = tab.evaluate(shown)
        tab.get_by_role("button", name="Switch to dark colours").click()
        dark = tab.evaluate(shown)
        wide = tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        tab.set_viewport_size({"width": 400, "height": 800})
        narrow = tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        browser.close()
    assert said == []
    assert light
    assert len(light) == len(dark)
    assert all(one == ["light", True] for one in light)
    assert all(one == ["dark", True] for one in dark)
    assert wide
    assert narrow
