"""The confusion of classes: a matrix small enough to be read, and its largest cells in words."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from vlp.evaluation.exhibits import Confusion
from vlp.evaluation.page.html import Markup, element, join, shorten
from vlp.evaluation.page.tables import scrolling

MOST_CLASSES, MOST_NAMED = 20, 10


def draw_confusion(exhibit: Confusion) -> Markup:
    """Returns all classes, or those that are confused most, with what is given to all others in one column."""
    counts = np.asarray(exhibit.counts)
    chosen = most_confused(counts, MOST_CLASSES)
    parts = [_named(exhibit, counts), _matrix(exhibit, counts, chosen)]
    if len(chosen) < len(exhibit.classes):
        hidden = 1 - _mistakes(counts[np.ix_(chosen, chosen)]) / max(_mistakes(counts), 1)
        parts.append(
            element(
                "p",
                f"{len(chosen)} of {len(exhibit.classes):,} classes: those of the most frequent mistakes. "
                f"{100 * hidden:.0f}% of all mistakes are between other classes, or with one of them.",
                class_="note",
            )
        )
    return join(parts)


def most_confused(counts: Int[np.ndarray, "classes classes"], most: int) -> Int[np.ndarray, " chosen"]:
    """Returns classes, in their own order, that the largest cells off the diagonal join; all where they are few."""
    if len(counts) <= most:
        return np.arange(len(counts))
    chosen: dict[int, None] = {}
    for row, column in largest_mistakes(counts, most * most):
        if len({*chosen, row, column}) <= most:
            chosen |= {row: None, column: None}
    return np.array(sorted(chosen), int)


def largest_mistakes(counts: Int[np.ndarray, "classes classes"], most: int) -> list[tuple[int, int]]:
    """Returns (row, column) of the largest cells off the diagonal, largest first, equal ones in reading order."""
    wrong = counts * ~np.eye(len(counts), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    cells = zip(*np.unravel_index(order, wrong.shape), strict=True)
    return [(int(row), int(column)) for row, column in cells if wrong[row, column]]


def _mistakes(counts: Int[np.ndarray, "classes classes"]) -> int:
    return int(counts.sum() - np.trace(counts))


def _named(exhibit: Confusion, counts: Int[np.ndarray, "classes classes"]) -> Markup:
    totals = counts.sum(axis=1)
    items = [
        element(
            "li",
            element("b", shorten(exhibit.classes[row], 60), dir="auto"),
            " taken for ",
            element("b", shorten(exhibit.classes[column], 60), dir="auto"),
            element("span", f" {counts[row, column]:,} of {totals[row]:,}", class_="faint"),
        )
        for row, column in largest_mistakes(counts, MOST_NAMED)
    ]
    if not items:
        return element("p", "No example was given to a wrong class.", class_="note")
    return join([element("h4", "Most frequent mistakes"), element("ol", items, class_="mistakes")])


def _matrix(
    exhibit: Confusion, counts: Int[np.ndarray, "classes classes"], chosen: Int[np.ndarray, " chosen"]
) -> Markup:
    if not len(chosen):
        return Markup()
    names = [exhibit.classes[row] for row in chosen]
    columns = (
        element("th", element("span", shorten(name, 22), title=name, dir="auto"), scope="col")
        for name in names
    )
    corner = element("td", element("span", "class ↓ was given to →"), class_="corner")
    rows = (
        _row(name, counts[row], place, chosen)
        for place, (name, row) in enumerate(zip(names, chosen, strict=True))
    )
    table = element(
        "table",
        element(
            "thead", element("tr", corner, columns, element("th", element("span", "all others"), scope="col"))
        ),
        element("tbody", rows),
        class_="confusion",
    )
    what = element(
        "p", "Examples of each class (row) by the class they were given to (column)", class_="note"
    )
    key = element(
        "p",
        element("span", "7", class_="hit key"),
        " right, framed   ",
        element("span", "7", class_="miss key"),
        " wrong; the fuller the colour, the larger the share of the row",
        class_="note",
    )
    return join([what, scrolling(table, exhibit.title), key])


def _row(
    name: str, counts: Int[np.ndarray, " classes"], place: int, chosen: Int[np.ndarray, " chosen"]
) -> Markup:
    total = max(int(counts.sum()), 1)
    cells = [
        _cell(int(counts[column]), counts[column] / total, right=place == position)
        for position, column in enumerate(chosen)
    ]
    others = int(counts.sum() - counts[chosen].sum())
    return element(
        "tr",
        element("th", shorten(name, 28), title=name, scope="row", dir="auto"),
        cells,
        element("td", f"{others:,}" if others else "", class_="others"),
    )


def _cell(count: int, share: float, *, right: bool) -> Markup:
    if not count and not right:
        return element("td")
    strong = " strong" if share > 0.5 else ""
    return element(
        "td", f"{count:,}", class_=("hit" if right else "miss") + strong, style=f"--share:{100 * share:.0f}%"
    )
