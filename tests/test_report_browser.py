"""The report in a real, offline Chromium: what a reader sees and does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from report_results import corpus, question

from answerspace.report import write_report
from answerspace.results import CorpusResult

pytestmark = pytest.mark.browser

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
N_TEXTS = 300
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><b>bold</b></script>"

# Where dot ``row`` is really drawn on the page, and in which colour: read from the canvas's own elements.
DRAWN = """(row) => {
  const element = answerspace.chart.getModel().getSeriesByIndex(0).getData().getItemGraphicEl(row);
  const frame = document.getElementById('map').getBoundingClientRect();
  return {x: frame.left + element.x, y: frame.top + element.y, colour: element.childAt(0).style.fill};
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.fail(
            "Chromium must be installed for the browser tests. Found none; type: apt-get install chromium, "
            "or set CHROMIUM to its path, or leave them out with -m 'not browser'."
        )
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


# Every dot is drawn where and in the colour it should be, and the groups have their names back.
LANDED = f"""() => {{
  const drawn = {DRAWN};
  const frame = document.getElementById('map').getBoundingClientRect();
  const there = (colour, row) => {{
    const [x, y] = answerspace.pixelOf(row);
    const dot = drawn(row);
    return dot.colour === colour && Math.hypot(dot.x - frame.left - x, dot.y - frame.top - y) < 0.5;
  }};
  const named = answerspace.chart.getModel().getSeriesByIndex(2).getData().count() > 0;
  return named && answerspace.state.colours.every(there);
}}"""

# Keep how dot 0 is drawn in each frame from now on.
FILM = f"""() => {{
  const drawn = {DRAWN};
  window.film = [];
  const shoot = () => {{ film.push(drawn(0)); requestAnimationFrame(shoot); }};
  shoot();
}}"""

# Like DRAWN, for a map too large for elements: where the dot must be, and how much of that canvas pixel is painted.
PAINTED = """(row) => {
  const [x, y] = answerspace.pixelOf(row);
  const canvas = document.querySelector('#map canvas');
  const frame = canvas.getBoundingClientRect();
  const alpha = canvas.getContext('2d').getImageData(Math.round(x), Math.round(y), 1, 1).data[3];
  return {x: frame.left + x, y: frame.top + y, alpha};
}"""


class Reader:
    """A person at an open report. Keeps every request and complaint of the page."""

    def __init__(self, browser: Browser, path: Path, **options: Any) -> None:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        context.set_offline(True)
        self.page: Page = context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.set_default_timeout(90_000)  # a busy machine is no failure
        self._metrics = context.new_cdp_session(self.page)
        self._metrics.send("Performance.enable", {"timeDomain": "threadTicks"})
        self.address = path.resolve().as_uri()
        self.page.goto(self.address)

    def drawn(self, row: int) -> dict[str, Any]:
        return self.page.evaluate(DRAWN, row)

    def painted(self, row: int) -> dict[str, Any]:
        return self.page.evaluate(PAINTED, row)

    def wait_until_painted(self) -> None:
        self.page.wait_for_function(f"[...Array(100).keys()].every((row) => ({PAINTED})(row).alpha > 0)")

    def computed(self) -> float:
        """Seconds of processor time the page's main thread has used."""
        metrics = self._metrics.send("Performance.getMetrics")["metrics"]
        return sum(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

    def settle(self) -> None:
        """The flight has landed: what is drawn is where and in the colour it should be."""
        self.page.wait_for_function(LANDED)

    def heading(self) -> str:
        return self.page.locator("#inspector h2").inner_text()

    def chosen(self) -> int:
        return self.page.evaluate("answerspace.chart.getModel().getSeriesByIndex(1).getData().count()")

    def close(self) -> None:
        self.page.context.close()
        assert self.requests == [self.address]
        # Reading pixels back is what these tests do, not the page.
        assert [text for text in self.complaints if "getImageData" not in text] == []


@pytest.fixture(scope="module")
def result() -> CorpusResult:
    texts = [f"Text number {row} says something plain." for row in range(N_TEXTS)]
    texts[17] = HOSTILE
    texts[23] = "Only this one mentions a giraffe. A GIRAFFE!"
    return corpus(N_TEXTS, texts=texts)


@pytest.fixture(scope="module")
def path(result: CorpusResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(result, tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture
def reader(browser: Browser, path: Path) -> Iterator[Reader]:
    """Opens the page; at the end nothing was requested and nothing was complained about."""
    reader = Reader(browser, path)
    yield reader
    reader.close()


def test_the_page_opens_and_explains_itself(reader: Reader) -> None:
    assert reader.page.title() == "A hand-made corpus"
    assert reader.page.get_by_text("Each dot is one text.").is_visible()
    assert reader.page.get_by_role("tab").all_inner_texts() == ["What is it?", "What matters?", "How do they feel?"]
    assert reader.heading() == "6 groups"
    assert reader.page.locator(".card").count() == 6
    assert "Shoe, and more" in reader.page.locator("#inspector").inner_text()


def test_a_question_regroups_the_dots(reader: Reader, result: CorpusResult) -> None:
    before = [reader.drawn(row) for row in range(N_TEXTS)]
    reader.page.evaluate(FILM)
    reader.page.get_by_role("tab", name="How do they feel?").click()
    reader.settle()
    after = [reader.drawn(row) for row in range(N_TEXTS)]
    moved = sum(abs(a["x"] - b["x"]) + abs(a["y"] - b["y"]) > 5 for a, b in zip(before, after, strict=True))
    assert moved > 0.9 * N_TEXTS
    flying = [dot for dot in reader.page.evaluate("film") if dot["x"] not in (before[0]["x"], after[0]["x"])]
    assert flying, "the dots fly, they do not jump"
    assert flying[0]["colour"] == before[0]["colour"], "the dots fly in their old colours"
    labels = result.questions[2].labels
    colour_of = {
        label: {dot["colour"] for dot, own in zip(after, labels, strict=True) if own == label} for label in range(3)
    }
    assert all(len(colours) == 1 for colours in colour_of.values())
    assert len(set.union(*colour_of.values())) == 3
    assert sum(a["colour"] != b["colour"] for a, b in zip(before, after, strict=True)) > N_TEXTS / 2
    assert reader.heading() == "3 groups"


def test_switching_back_and_forth_in_flight_ends_where_asked(reader: Reader) -> None:
    before = reader.drawn(5)
    for name in ("What matters?", "How do they feel?", "What is it?"):
        reader.page.get_by_role("tab", name=name).click()
        reader.page.wait_for_timeout(150)
    reader.settle()
    assert reader.drawn(5)["colour"] == before["colour"]
    assert reader.drawn(5)["x"] == pytest.approx(before["x"], abs=0.5)


@pytest.mark.parametrize("row", [17, 42])
def test_hover_shows_the_text_and_the_answer(reader: Reader, result: CorpusResult, row: int) -> None:
    dot = reader.drawn(row)
    reader.page.mouse.move(dot["x"], dot["y"])
    hover = reader.page.locator("#hover")
    hover.wait_for()
    assert hover.locator(".text").inner_text() == result.texts[row]
    assert f"Answer: {result.questions[0].answers[row]}" in hover.inner_text()
    assert hover.locator("img, b:not(.answer b)").count() == 0
    assert reader.page.title() != "owned"
    reader.page.mouse.move(5, 5)
    hover.wait_for(state="hidden")


def test_click_on_a_dot_selects_its_group(reader: Reader, result: CorpusResult) -> None:
    dot = reader.drawn(42)
    reader.page.mouse.click(dot["x"], dot["y"])
    label = result.questions[0].labels[42]
    assert reader.heading().lower().startswith(result.questions[0].answers[42])
    assert reader.chosen() == int((result.questions[0].labels == label).sum())
    reader.page.keyboard.press("Escape")
    assert reader.heading() == "6 groups"
    assert reader.chosen() == 0


def test_a_card_selects_its_group_and_pages_through_its_texts(reader: Reader, result: CorpusResult) -> None:
    reader.page.get_by_role("button", name="Soup, and more", exact=True).click()
    size = int((result.questions[0].labels == 3).sum())
    items = reader.page.locator(".texts li")
    assert items.count() == min(50, size)
    while (more := reader.page.locator(".more")).is_visible():
        more.click()
    assert items.count() == size == reader.chosen()
    items.first.get_by_role("button").click()
    assert reader.page.locator("#ring").is_visible()


def test_search_finds_lists_marks_and_highlights(reader: Reader) -> None:
    reader.page.get_by_label("Search the texts").fill("giraffe")
    reader.page.locator(".texts li").wait_for()
    assert reader.page.locator(".texts li").count() == 1 == reader.chosen()
    assert reader.page.locator("mark").all_inner_texts() == ["giraffe", "GIRAFFE"]
    reader.page.get_by_label("Search the texts").fill("<img src=x")
    reader.page.get_by_text("document.title").wait_for()
    reader.page.get_by_label("Search the texts").fill("no such words")
    reader.page.get_by_text("No text contains this.").wait_for()
    reader.page.get_by_label("Search the texts").press("Escape")
    assert reader.heading() == "6 groups"
    assert reader.page.title() != "owned"


def test_cross_table_counts_and_reads(reader: Reader, result: CorpusResult) -> None:
    reader.page.get_by_label("Rows").select_option("How do they feel?")
    reader.page.get_by_label("Columns").select_option("What matters?")
    down, across = result.questions[2], result.questions[1]
    shown = [
        [int(cell.replace("·", "0")) for cell in line.locator("td").all_inner_texts()]
        for line in reader.page.locator("#cross tbody tr").all()
    ]
    for line, own in zip(shown, down.clusters, strict=True):
        counts = [int(((down.labels == own.label) & (across.labels == c.label)).sum()) for c in across.clusters]
        assert line == [*counts, own.size]
    reader.page.locator("#cross tbody tr").nth(1).locator("button").nth(2).click()
    assert reader.heading() == "Angry, and more × Speed, and more"
    assert reader.chosen() == shown[1][2] == reader.page.locator(".texts li").count()


def test_keys_switch_questions(reader: Reader) -> None:
    reader.page.get_by_role("tab", name="What is it?").focus()
    reader.page.keyboard.press("ArrowRight")
    assert reader.page.get_by_role("tab", name="What matters?").get_attribute("aria-selected") == "true"
    assert reader.page.evaluate("document.activeElement.textContent") == "What matters?"
    reader.page.keyboard.press("End")
    assert reader.heading() == "3 groups"
    reader.page.keyboard.press("ArrowRight")
    assert reader.heading() == "6 groups"
    reader.page.keyboard.press("2")
    assert reader.heading() == "4 groups"
    assert "No group" in reader.page.locator("#inspector").inner_text()
    reader.page.get_by_role("button", name="Price, and more", exact=True).press("Enter")
    assert reader.heading() == "Price, and more"
    assert reader.page.evaluate("document.activeElement.id") == "inspector", "the focus is not lost"
    reader.page.keyboard.press("/")
    assert reader.page.evaluate("document.activeElement.id") == "search"


def test_zoom_moves_the_dots_apart_and_back(reader: Reader) -> None:
    def apart() -> float:
        return reader.page.evaluate(
            "Math.hypot(...[0, 1].map((i) => answerspace.pixelOf(3)[i] - answerspace.pixelOf(4)[i]))"
        )

    before = apart()
    reader.page.get_by_role("button", name="Zoom in").click()
    reader.page.wait_for_timeout(200)
    assert apart() == pytest.approx(before / 0.6, rel=0.02)
    reader.page.get_by_role("button", name="Whole map").click()
    reader.page.wait_for_timeout(200)
    assert apart() == pytest.approx(before, rel=0.01)


def background(page: Page) -> int:
    """How light the page is, 0 to 255."""
    return page.evaluate("Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")


def test_dark_follows_the_system_and_the_button(browser: Browser, path: Path) -> None:
    reader = Reader(browser, path, color_scheme="dark", reduced_motion="reduce")
    assert background(reader.page) < 60
    dark = reader.drawn(0)["colour"]
    reader.page.get_by_role("button", name="Switch to light colours").click()
    assert background(reader.page) > 200
    assert reader.drawn(0)["colour"] != dark
    reader.close()


def test_a_narrow_screen_needs_no_sideways_scrolling(browser: Browser, path: Path) -> None:
    reader = Reader(browser, path)
    reader.page.set_viewport_size({"width": 375, "height": 720})
    reader.page.wait_for_timeout(200)
    assert reader.page.evaluate("document.documentElement.scrollWidth") <= 375
    reader.close()


def test_more_groups_than_colours_get_new_shapes(browser: Browser, tmp_path: Path) -> None:
    labels = np.arange(200) % 20
    words = [f"word{label}" for label in range(20)]
    result = CorpusResult("Many", [f"text {row}" for row in range(200)], [question("Which?", labels, words)])
    reader = Reader(browser, write_report(result, tmp_path / "report.html"))
    looks = reader.page.evaluate(
        """[...Array(20).keys()].map((row) => {
          const data = answerspace.chart.getModel().getSeriesByIndex(0).getData();
          return data.getItemGraphicEl(row).childAt(0).style.fill + data.getItemVisual(row, 'symbol');
        })"""
    )
    assert len(set(looks)) == 20
    assert reader.page.locator("#compare").is_hidden()
    reader.close()


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (CorpusResult("Empty", [], []), "There are no texts in this report."),
        (CorpusResult("Unasked", ["a"], []), "No question was asked."),
        (CorpusResult("One", ["a"], [question("Q?", np.array([0]), ["x"])]), "One group"),
        (CorpusResult("Noise", ["a", "b"], [question("Q?", np.array([-1, -1]), ["x"])]), "No group"),
    ],
    ids=lambda value: value.title if isinstance(value, CorpusResult) else "",
)
def test_corner_cases_open(browser: Browser, tmp_path: Path, result: CorpusResult, message: str) -> None:
    reader = Reader(browser, write_report(result, tmp_path / "report.html"))
    assert reader.page.get_by_text(message, exact=True).first.is_visible()
    reader.close()


def test_twenty_thousand_dots_open_and_answer_quickly(browser: Browser, tmp_path: Path) -> None:
    """The limits are a few times what was measured, in seconds the page computed: a busy machine does not matter."""
    result = corpus(20_000)
    path = write_report(result, tmp_path / "report.html")
    reader = Reader(browser, path)
    opened = reader.computed()
    dot = reader.painted(19_999)
    reader.page.mouse.move(dot["x"], dot["y"])
    reader.page.locator("#hover").wait_for()
    reader.wait_until_painted()
    before = [reader.painted(row) for row in range(100)]
    start = reader.computed()
    reader.page.get_by_role("tab", name="How do they feel?").click()
    reader.page.wait_for_function("document.querySelector('#inspector h2').textContent === '3 groups'")
    reader.wait_until_painted()
    switched = reader.computed() - start
    after = [reader.painted(row) for row in range(100)]
    assert sum(abs(a["x"] - b["x"]) + abs(a["y"] - b["y"]) > 5 for a, b in zip(before, after, strict=True)) > 80
    start = reader.computed()
    reader.page.get_by_label("Search the texts").fill("number 1234")
    reader.page.locator(".texts li").first.wait_for()
    assert reader.chosen() == 11
    found = reader.computed() - start
    print(f"opened {opened:.2f} s, switched {switched:.2f} s, found {found:.2f} s")
    assert opened < 5
    assert switched < 5
    assert found < 5
    reader.close()
