"""The page in a real browser: no error, nothing fetched, pictures there, nothing too wide, every text legible."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, HOW_TO_GET_IT, Browser, open_browser
from page_examples import HARM, findings
from test_comparison import draws, write_run

from vlp.evaluation.comparison.comparison import compare
from vlp.evaluation.comparison.runs import Run, read_run
from vlp.evaluation.page.around import Around
from vlp.evaluation.page.comparison import comparison_page
from vlp.evaluation.page.curation import Histogram, Sheet, Tally, Tile, curation_page
from vlp.evaluation.page.evaluation import evaluation_page
from vlp.evaluation.page.pictures import encoded
from vlp.evaluation.page.watch import watch_page

if CHROMIUM is None:
    warnings.warn(HOW_TO_GET_IT, stacklevel=1)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=HOW_TO_GET_IT)

LOOKS = [(390, False), (390, True), (1280, False), (1280, True)]
# Texts whose contrast with what lies behind them is below 4.5 (WCAG 2.2, 1.4.3), each as [contrast, text].
FAINT_TEXTS = """
(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = channels => channels.slice(0, 3).map(value => value / 255)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (; element; element = element.parentElement) {
      const colour = rgba(getComputedStyle(element).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
    if (!text || !element.checkVisibility()) continue;
    seen += 1;
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) found.push([contrast.toFixed(2), text.slice(0, 40), element.className]);
  }
  return [seen, found];
})()
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("comparison")
    runs = [
        write_run(folder / f"{rate}-{seed}", seed=seed, learning_rate=rate, hits=draws(0.2 + 10 * rate, seed))
        for rate in (1e-2, 2e-2)
        for seed in range(3)
    ]
    path = folder / "comparison.html"
    path.write_text(comparison_page(compare([read_run(run) for run in runs])), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "evaluation.html"
    long_word = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
    steps, found = np.arange(10, 400, 10), findings(text=HARM + long_word)
    known = Around(
        {name: (steps, np.cos(steps / 99) ** 2) for name in ("loss", "learning_rate")},
        {f"{HARM}{number}": dict.fromkeys(found.figures, 0.5) for number in range(6)},
        others=3,
    )
    whole = evaluation_page(f"Evaluation of {long_word}", {"checkpoint": HARM}, found, known)
    path.write_text(whole, encoding="utf-8")
    return path


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_the_page_is_whole_and_legible(
    browser: Browser, page: Path, width: int, dark: bool, tmp_path: Path
) -> None:
    browser.open(page, width=width, dark=dark)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    pictures, broken = browser.evaluate(
        "[document.images.length, [...document.images].filter(image => !image.naturalWidth).length]"
    )
    assert pictures > 20 and broken == 0
    assert browser.evaluate("document.querySelectorAll('.diagrams .curves polyline').length") == 2
    assert "Beside earlier runs" in browser.evaluate("document.body.innerText")
    seen, faint = browser.evaluate(FAINT_TEXTS)
    assert seen > 200 and not faint
    assert_quiet(browser, page)
    shot = tmp_path / "shot.png"
    browser.screenshot(shot)
    assert shot.stat().st_size > 50_000


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_a_comparison_is_legible_too(browser: Browser, comparison: Path, width: int, dark: bool) -> None:
    browser.open(comparison, width=width, dark=dark)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate("document.querySelectorAll('.curves polyline').length") >= 4
    seen, faint = browser.evaluate(FAINT_TEXTS)
    assert seen > 50 and not faint
    assert_quiet(browser, comparison, title="Comparison of")


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_a_run_under_way_is_legible_too(browser: Browser, width: int, dark: bool, tmp_path: Path) -> None:
    steps = np.arange(10, 400, 10)
    run = Run(
        HARM,
        {
            "steps": 1000,
            "stages.until": (200,),
            "evaluators.zero_shot.every": 5,
            "objectives.contrastive.weight": 1.0,
        },
        step=400,
        curves={
            name: (steps, np.cos(steps / 99) ** 2) for name in ("loss", "zero_shot/val/top1", "data/replaced")
        },
    )
    page = tmp_path / "watch.html"
    picture = base64.b64encode(encoded(np.full((64, 64, 3), 90, np.uint8))).decode()
    samples = {"step": 390, "samples": 8 * [{"picture": picture, "text": HARM}]}
    timings = {"mfu": (steps, steps / 1000)}
    page.write_text(watch_page(run, timings, ago=3, refresh=600, samples=samples), encoding="utf-8")
    browser.open(page, width=width, dark=dark)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate("document.querySelectorAll('.curves polyline').length") == 4
    seen, faint = browser.evaluate(FAINT_TEXTS)
    assert seen > 40 and not faint
    assert_quiet(browser, page, title="Watching")


@pytest.fixture(scope="module")
def curation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long words, a text that would do harm, pictures, and a record without one."""
    dropped = {"tags refused": 1200, "small image": 3}
    step = {"name": "people", "seen": 4000, "kept": 2797, "removed": 0.30075, "dropped": dropped}
    report = {"records": 4000, "kept": 2797, "sources": {"quickstart": {}}, "steps": [step]}
    rng = np.random.default_rng(0)
    before = rng.integers(50, 200, 24)
    histograms = [
        Histogram(title, np.linspace(0, end, 25), before, before // 2)
        for title, end in (("words of a caption", 48), ("clip_score_score", 0.4))
    ]
    picture = rng.integers(0, 255, (40, 60, 3), np.uint8)
    tiles = [Tile(f"id/{number}/{'x' * 80}", HARM, picture if number % 5 else None) for number in range(12)]
    sheets = [Sheet(title, 1200, tiles) for title in ("kept", "people: tags refused")]
    path = tmp_path_factory.mktemp("curation") / "report.html"
    tags = [Tally("tag", [("animal", 800, 600), (HARM, 20, 0)])]
    path.write_text(curation_page(report, histograms, tags, sheets, 2048), encoding="utf-8")
    return path


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_a_curation_is_legible_too(browser: Browser, curation: Path, width: int, dark: bool) -> None:
    browser.open(curation, width=width, dark=dark)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate("document.querySelectorAll('.curves rect').length") == 4 * 24
    pictures, broken = browser.evaluate(
        "[document.images.length, [...document.images].filter(image => !image.naturalWidth).length]"
    )
    assert pictures == 18 and broken == 0
    seen, faint = browser.evaluate(FAINT_TEXTS)
    assert seen > 50 and not faint
    assert_quiet(browser, curation, title="Curation")


def assert_quiet(browser: Browser, page: Path, *, title: str = "Evaluation of") -> None:
    """No message, no exception, no request but for the page itself, and no script of the data's has run."""
    noise = (
        "Log.entryAdded",
        "Runtime.exceptionThrown",
        "Runtime.consoleAPICalled",
        "Page.javascriptDialogOpening",
    )
    assert not [event for event in browser.events if event["method"] in noise]
    asked = [event["params"] for event in browser.events if event["method"] == "Network.requestWillBeSent"]
    addresses = {
        request["request"]["url"] for request in asked if not request["request"]["url"].startswith("data:")
    }
    assert addresses == {page.resolve().as_uri()}
    assert browser.evaluate("document.title").startswith(title)


def test_what_is_too_wide_scrolls_inside_itself(browser: Browser, page: Path) -> None:
    browser.open(page, width=390)
    wide = browser.evaluate(
        "[...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth)"
        ".map(one => [one.tabIndex, getComputedStyle(one).overflowX, one.getAttribute('aria-label') !== ''])"
    )
    assert len(wide) >= 2 and all(one == [0, "auto", True] for one in wide)


def test_the_checks_can_fail(browser: Browser, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<!doctype html><title>x</title><p style='color:#999;width:500px'>faint</p><img src='data:,none' alt=''>"
        "<script>console.error('told')</script>"
    )
    browser.open(bad, width=390)
    assert browser.evaluate("document.documentElement.scrollWidth") > 390
    assert browser.evaluate("document.images[0].naturalWidth") == 0
    assert browser.evaluate(FAINT_TEXTS)[1]
    assert any(event["method"] == "Runtime.consoleAPICalled" for event in browser.events)
