"""Tables and bars: plain cells, and shares by name such as the accuracy of every class."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from vlp.evaluation.exhibits import Bars, Table
from vlp.evaluation.page.html import Markup, breakable, element, join, shorten

_PLAIN = r"[-+]?[\d.,]+ ?%?"
_NUMBER = re.compile(rf"({_PLAIN}( (to|±) {_PLAIN})?|-)?")
MOST_ROWS, MOST_CELL = 200, 300
_DEVIATIONS = 1.959964  # of the normal distribution, that hold 95 %
BARS_OF_A_SIDE = 12  # the best and the worst; all of them where there are no more than twice as many


def scrolling(table: Markup, label: str) -> Markup:
    """Returns a table that may be wider than the page, which it then scrolls inside of, by keyboard too."""
    return element("div", table, class_="scroll", role="region", tabindex="0", aria_label=label)


def grid(head: Sequence[str], rows: Sequence[Sequence[str]], label: str) -> Markup:
    """Cells under a head, columns of numbers aligned to the right."""
    columns = list(zip(*rows, strict=True)) or [()] * len(head)
    styles = [_style(column) for column in columns]
    first = (element("th", cell, scope="col", class_=style) for cell, style in zip(head, styles, strict=True))
    body = (
        element(
            "tr",
            (
                element("td", _cell(cell, style), class_=style, dir="auto")
                for cell, style in zip(row, styles, strict=True)
            ),
        )
        for row in rows
    )
    table = element("table", element("thead", element("tr", first)), element("tbody", body), class_="grid")
    return scrolling(table, label)


def _style(column: Sequence[str]) -> str | None:
    if column and all(_NUMBER.fullmatch(cell) for cell in column):
        return "number"
    return "long" if any(len(cell) > 24 and not isinstance(cell, Markup) for cell in column) else None


def _cell(cell: str, style: str | None) -> str:
    return breakable(cell) if style == "long" else cell


def draw_table(exhibit: Table) -> Markup:
    """Returns the first rows, with long cells shortened."""
    rows = [[shorten(str(cell), MOST_CELL) for cell in row] for row in exhibit.rows[:MOST_ROWS]]
    table = grid(exhibit.head, rows, exhibit.title)
    if len(rows) == len(exhibit.rows):
        return table
    return join([table, note(f"The first {MOST_ROWS} of {len(exhibit.rows):,} rows.")])


def note(text: str) -> Markup:
    """Returns a remark under something."""
    return element("p", text, class_="note")


def draw_bars(exhibit: Bars) -> Markup:
    """Draws bars, best first; of many, the best and the worst, of equal shares the one of more examples further out."""
    shares, counts = np.asarray(exhibit.shares, float), np.asarray(exhibit.counts)
    known = np.flatnonzero(np.isfinite(shares))
    if not len(known):
        return note("There is nothing to show.")
    best = known[np.lexsort((-counts[known], -shares[known]))]
    if len(known) <= 2 * BARS_OF_A_SIDE:
        return _bars(exhibit, best, f"{exhibit.title}, best first")
    worst = known[np.lexsort((-counts[known], shares[known]))]
    halves = [
        element("div", element("h4", name), _bars(exhibit, rows[:BARS_OF_A_SIDE], f"{exhibit.title}: {name}"))
        for name, rows in (("Best", best), ("Worst", worst))
    ]
    remark = (
        f"{BARS_OF_A_SIDE} best and {BARS_OF_A_SIDE} worst of {len(known):,}; few examples make extremes."
    )
    return join([element("div", halves, class_="halves"), note(remark)])


def _bars(exhibit: Bars, rows: np.ndarray, label: str) -> Markup:
    body = element("tbody", (_bar_row(exhibit, row) for row in rows))
    return element("table", element("caption", label, class_="unseen"), body, class_="bars")


def _bar_row(exhibit: Bars, row: int) -> Markup:
    share, count = float(exhibit.shares[row]), int(exhibit.counts[row])
    width = 100 * min(max(share, 0.0), 1.0)
    bar = element("span", element("span", style=f"width:{width:.1f}%"), class_="bar", aria_hidden="true")
    return element(
        "tr",
        element("th", shorten(exhibit.names[row], 60), scope="row", dir="auto", title=exhibit.names[row]),
        element("td", bar, class_="wide"),
        element("td", f"{100 * share:.0f}%{_interval(exhibit, share, count)}", class_="number"),
        element("td", f"of {count:,}", class_="number faint"),
    )


def _interval(exhibit: Bars, share: float, count: int) -> str:
    """The 95 % interval of a share of right ones (Wilson 1927), where there is one."""
    if not exhibit.each or not count:
        return ""
    squared = _DEVIATIONS**2 / count
    middle = (share + squared / 2) / (1 + squared)
    half = _DEVIATIONS / (1 + squared) * float(np.sqrt(share * (1 - share) / count + squared / (4 * count)))
    return f" ({100 * max(0.0, middle - half):.0f} to {100 * min(1.0, middle + half):.0f})"
