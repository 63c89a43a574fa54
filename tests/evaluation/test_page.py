"""The page as a file: nothing in it loads or runs, everything is named, texts from data stay texts."""

from __future__ import annotations

import dataclasses
import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from page_examples import HARM, bars, class_names, confusion, findings, pictures
from scipy.stats import binomtest

from vlp.evaluation import Findings
from vlp.evaluation.exhibits import Bars, Confusion, Map, Reliability, Search, Searches, Table
from vlp.evaluation.outcomes import outcomes_to_bytes, read_outcomes
from vlp.evaluation.page.confusion import largest_mistakes, most_confused
from vlp.evaluation.page.diagrams import draw_map, draw_reliability
from vlp.evaluation.page.evaluation import evaluation_page
from vlp.evaluation.page.html import Markup, element, shorten
from vlp.evaluation.page.pictures import MOST_BYTES, MOST_PICTURES
from vlp.evaluation.page.searches import overlay
from vlp.evaluation.page.tables import draw_bars

VOID = {"img", "meta", "wbr"}


class Reader(HTMLParser):
    """Elements with their attributes and the text within them; complains about what is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text.append(data)

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(*exhibits) -> str:
    return evaluation_page("A page", {}, Findings({}, {}, {}, {"some_evaluator": exhibits}))


def test_nothing_is_loaded_and_nothing_can_run() -> None:
    page = evaluation_page(HARM, {"checkpoint": HARM}, findings(text=HARM))
    reader = Reader(page)
    page.encode()  # no lone surrogate
    tags = {tag for tag, _ in reader.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "form"}
    handlers = [name for _, attributes in reader.elements for name in attributes if name.startswith("on")]
    assert not handlers
    addresses = [
        attributes.get(key)
        for _, attributes in reader.elements
        for key in ("src", "href")
        if key in attributes
    ]
    assert addresses and all(address.startswith(("data:image/webp;base64,", "#")) for address in addresses)
    assert any(
        "default-src 'none'" in (meta["content"] or "")
        for meta in reader.attributes("meta")
        if "http-equiv" in meta
    )
    assert "url(" not in page and "@import" not in page
    assert sum("<script>" in text for text in reader.text) >= 5  # shown, as the text it is


def test_texts_are_escaped_wherever_an_exhibit_may_hold_one() -> None:
    names = [HARM, *class_names(2)]
    counts = np.array([[1, 3, 0], [2, 1, 0], [0, 0, 1]])
    right, scores = np.array([True]), np.array([0.5])
    everywhere = page_of(
        Bars(HARM, names, np.array([0.1, 0.5, 1.0]), np.array([3, 4, 5])),
        Confusion(HARM, names, counts),
        Searches(HARM, [Search(HARM, [HARM], right, scores, about=HARM)]),
        Table(HARM, [HARM], [[HARM]]),
    )
    assert not {"script", "img"} & {tag for tag, _ in Reader(everywhere).elements}
    assert (
        element("p", "a <b>", Markup("<i>"), ["&"], title='"') == '<p title="&quot;">a &lt;b&gt;<i>&amp;</p>'
    )


def test_every_picture_has_a_text_and_every_heading_its_place() -> None:
    reader = Reader(evaluation_page("Evaluation of x", {}, findings()))
    images = reader.attributes("img")
    assert len(images) > 20 and all(image["alt"] for image in images)
    levels = [int(tag[1]) for tag, _ in reader.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert reader.attributes("html") == [{"lang": "en"}]
    assert all(
        attributes.get("scope") for attributes in reader.attributes("th") if "aria-hidden" not in attributes
    )


def test_figures_stand_beside_their_interval_and_chance() -> None:
    text = " ".join(Reader(evaluation_page("x", {}, findings())).text)
    assert re.search(r"top1 25\.9% 2\d\.\d to 3\d\.\d% 1\.4%", text)
    assert "402 queries" in text and "median_ rank 35.0 - 101.0" in text


def test_right_and_wrong_are_words_too() -> None:
    right, scores = np.array([True, False, True]), np.array([0.5, 0.4, np.nan])
    searched = Searches("Searches", [Search("a query", ["one", *pictures(2)], right, scores)])
    text = "".join(Reader(page_of(searched)).text)
    assert text.count("✓ right") == 2 and text.count("✗ wrong") == 1


def test_the_most_confused_classes_are_shown_and_the_rest_is_counted() -> None:
    whole = confusion(60)
    chosen = most_confused(whole.counts, 20)
    assert len(chosen) == 20 and {0, 1, 3} <= set(chosen.tolist())
    row, column = largest_mistakes(whole.counts, 1)[0]
    assert (row, column) == (0, 1) and whole.counts[row, column] == 14
    text = "".join(Reader(page_of(whole)).text)
    assert "20 of 60 classes" in text
    inside = whole.counts[np.ix_(chosen, chosen)]
    wrong = whole.counts.sum() - np.trace(whole.counts)
    share = 1 - (inside.sum() - np.trace(inside)) / wrong
    assert f"{100 * share:.0f}% of all mistakes" in text
    assert "classes: those" not in "".join(Reader(page_of(confusion(9))).text)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [(np.diag([3, 4]), "No example was given to a wrong class."), (np.zeros((2, 2), int), "No example")],
)
def test_a_confusion_without_mistakes_says_so(counts: np.ndarray, expected: str) -> None:
    assert expected in page_of(Confusion("All right", ["a", "b"], counts))


def test_of_many_classes_the_best_and_the_worst_are_shown_with_their_counts() -> None:
    many = bars(60)
    text = "".join(Reader(page_of(many)).text)
    best, worst = np.argmax(many.shares), np.argmin(many.shares)
    for row in (best, worst):
        assert f"{many.names[row]}{100 * many.shares[row]:.0f}%of {many.counts[row]}" in text
    assert "12 best and 12 worst of 60" in text
    unknown = Bars("Unknown", ["a", "b"], np.array([np.nan, 0.5]), np.array([0, 4]))
    assert "nan" not in "".join(Reader(page_of(unknown)).text)


@pytest.mark.parametrize("side", [8, 300])
def test_the_page_stays_small_and_says_what_it_left_out(side: int) -> None:
    noise = [np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8) for seed in range(36)]
    cards = [Search("q", noise[row : row + 12], np.zeros(12, bool), np.zeros(12)) for row in range(24)]
    page = page_of(*(Searches(f"Searches {part}", cards) for part in range(8)))
    left = int(re.search(r"and ([\d,]+) were left out", page)[1].replace(",", ""))
    shown = len(Reader(page).attributes("img"))
    assert shown + left == 8 * 16 * 10
    assert shown == MOST_PICTURES if side == 8 else MOST_BYTES * 0.9 < len(page) < MOST_BYTES + 1_000_000
    assert "The first 16 of 24 queries" in page


def test_long_texts_and_tables_are_cut() -> None:
    page = page_of(Table("Long", ["a"], [["word " * 1000]] * 1000))
    assert len(page) < 200_000 and "The first 200 of 1,000 rows" in page
    assert shorten("a  b\nc", 10) == "a b c" and shorten("abcdef", 4) == "abc…"


def test_a_score_map_lies_over_its_picture_and_rings_its_peak() -> None:
    grey = np.full((96, 192, 3), 128, np.uint8)
    scores = np.zeros((4, 8))
    scores[1, 6] = 1.0
    drawn = overlay(grey, scores).astype(int)
    assert drawn.shape == (96, 192, 3)
    assert drawn[36, 156].sum() > drawn[84, 12].sum() + 200  # the peak is bright, the rest dark
    assert np.array_equal(overlay(grey, np.full((2, 2), 3.0)).shape, (96, 192, 3))


def test_the_same_findings_are_the_same_bytes() -> None:
    assert evaluation_page("x", {}, findings()) == evaluation_page("x", {}, findings())


def test_findings_without_figures_or_exhibits_still_make_a_page() -> None:
    empty = Findings({}, {}, {}, {})
    Reader(evaluation_page("x", {}, empty))
    only = dataclasses.replace(empty, figures={"top1": 0.5, "odd": float("nan")})
    assert "50.0%" in evaluation_page("x", {}, only)


def test_outcomes_come_back_from_disk(tmp_path) -> None:
    outcomes = {"zero_shot/val/top1": np.array([1.0, 0.0]), "retrieval/val/none": np.zeros(0)}
    (tmp_path / "a.npz").write_bytes(outcomes_to_bytes(outcomes))
    back = read_outcomes(tmp_path / "a.npz")
    assert back.keys() == outcomes.keys() and back["zero_shot/val/top1"].tolist() == [1.0, 0.0]
    assert outcomes_to_bytes(back) == outcomes_to_bytes(outcomes)
    assert read_outcomes(tmp_path / "none.npz") == {}
    (tmp_path / "b.npz").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="holds no outcomes"):
        read_outcomes(tmp_path / "b.npz")


def test_reliability_is_accuracy_by_confidence() -> None:
    confidence = np.array([0.05, 0.62, 0.65, 0.68, 1.0])
    drawn = str(draw_reliability(Reliability("t", confidence, np.array([0, 1, 0, 0, 1], bool))))
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", drawn)
    assert cells == ["1", "5.0%", "0.0%", "3", "65.0%", "33.3%", "1", "100.0%", "100.0%"]
    assert "nothing to show" in draw_reliability(Reliability("t", confidence[:0], np.zeros(0, bool)))
    rare = Map("m", np.eye(9, 2), [*"aaabcdefg"])
    assert draw_map(rare).count("<circle") == 9 and "Points of 1 other classes are grey" in draw_map(rare)


def test_a_share_of_right_ones_has_wilsons_interval() -> None:
    shares, counts = np.array([0.5, 1.0]), np.array([10, 4])
    drawn = str(draw_bars(Bars("t", ["a", "b"], shares, counts, each=True)))
    low = proportion_interval(5, 10), proportion_interval(4, 4)
    assert f"50% ({low[0][0]} to {low[0][1]})" in drawn and f"100% ({low[1][0]} to {low[1][1]})" in drawn
    assert " to " not in draw_bars(Bars("t", ["a", "b"], shares, counts))


def proportion_interval(hits: int, count: int) -> tuple[str, str]:
    """SciPy's, in per cent."""
    found = binomtest(hits, count).proportion_ci(method="wilson")
    return f"{100 * found.low:.0f}", f"{100 * found.high:.0f}"
