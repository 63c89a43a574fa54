"""The page of a comparison of runs: variants, figures, differences drawn beside zero, and learning curves."""

from __future__ import annotations

import numpy as np

from vlp.evaluation.comparison.comparison import Comparison, Difference
from vlp.evaluation.comparison.report import (
    caveats,
    difference_rows,
    differences,
    is_share,
    level_rows,
    setting_rows,
    variant_rows,
)
from vlp.evaluation.page.curves import POINTS, draw_curves, legend, line
from vlp.evaluation.page.document import Section, document
from vlp.evaluation.page.html import Markup, element, join, shorten
from vlp.evaluation.page.tables import grid, note

MOST_CURVES, MOST_CELL = 24, 400
_WIDTH, _HEIGHT = 200, 18


def comparison_page(comparison: Comparison) -> str:
    """Returns one self-contained HTML file."""
    runs = sum(len(variant.runs) for variant in comparison.variants)
    about = {"variants": str(len(comparison.variants)), "runs": str(runs)}
    sections = [
        Section(
            "Variants",
            join(
                _table(rows, rows[0][0])
                for rows in (variant_rows(comparison), setting_rows(comparison))
                if len(rows) > 1
            ),
        ),
        Section("Figures", join([_table(level_rows(comparison), "Figures"), _remarks(comparison)])),
    ]
    if len(comparison.variants) > 1:
        first = comparison.variants[0].letter
        sections.append(Section(f"Differences to {first}", _differences(comparison)))
    if curves := _curves(comparison):
        sections.append(Section("Learning curves", curves))
    return document("Comparison of runs", about, sections, f"Curves are thinned to {POINTS} points.")


def _table(rows: list[list[str]], label: str) -> Markup:
    return grid(rows[0], [[shorten(cell, MOST_CELL) for cell in row] for row in rows[1:]], label)


def _remarks(comparison: Comparison) -> Markup:
    return element("ul", (element("li", words) for words in caveats(comparison)), class_="remarks")


def _differences(comparison: Comparison) -> Markup:
    head, *rows = difference_rows(comparison)
    found = [(name, difference) for name, _, difference in differences(comparison)]
    # A figure that is no number, as of a run that has diverged, is none that can be drawn.
    shares = [is_share(name) and np.isfinite(one.value) and _reach(one) <= 1 for name, one in found]
    widest = max((_reach(one) for (_, one), share in zip(found, shares, strict=True) if share), default=0.0)
    cells = [
        [*row, _drawing(difference, widest or 1.0) if share else ""]
        for row, (_, difference), share in zip(rows, found, shares, strict=True)
    ]
    scale = f"-{100 * widest:.3g} to +{100 * widest:.3g} points" if any(shares) else ""
    table = grid([*head, scale], cells, f"Differences to {comparison.variants[0].letter}")
    return join(
        [table, note("The dot is the difference, the thick line its interval; the upright dashes are zero.")]
    )


def _reach(difference: Difference) -> float:
    """How far from zero anything of it is."""
    return max(abs(end) for end in (difference.value, difference.low, difference.high) if np.isfinite(end))


def _drawing(difference: Difference, widest: float) -> Markup:
    def x(value: float) -> str:
        return f"{_WIDTH / 2 * (1 + 0.94 * value / widest):.1f}"

    middle = _HEIGHT / 2
    parts = [
        element("line", x1=0, x2=_WIDTH, y1=middle, y2=middle, class_="track"),
        element("line", x1=x(0), x2=x(0), y1=1, y2=_HEIGHT - 1, class_="chance"),
    ]
    if np.isfinite(difference.low):
        ends = {"x1": x(difference.low), "x2": x(difference.high)}
        parts.append(element("line", y1=middle, y2=middle, class_="interval", **ends))
    parts.append(element("circle", cx=x(difference.value), cy=middle, r=3.5, class_="dot"))
    return element(
        "svg", parts, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", width=_WIDTH, height=_HEIGHT, aria_hidden="true"
    )


def _curves(comparison: Comparison) -> Markup:
    """Of the losses and of the figures, as far as they were logged while training."""
    logged = dict.fromkeys(
        name for variant in comparison.variants for run in variant.runs for name in run.curves
    )
    losses = [name for name in logged if name.rpartition("/")[2] == "loss"]
    names = dict.fromkeys([*sorted(losses, key=lambda name: name.count("/")), *comparison.levels])
    drawings = []
    for name in (name for name in names if name in logged):
        curves = {
            variant.letter: [run.curves[name] for run in variant.runs if name in run.curves]
            for variant in comparison.variants
        }
        lines = [line(letter, number, own) for number, (letter, own) in enumerate(curves.items()) if own]
        if any(len(one.steps) > 1 for one in lines):
            drawings.append((name, lines))
    if not drawings:
        return Markup()
    shown = [
        draw_curves(name, lines, share=name in comparison.levels and is_share(name))
        for name, lines in drawings[:MOST_CURVES]
    ]
    words = "Lines are means over seeds, bands reach from the lowest to the highest seed."
    if len(drawings) > MOST_CURVES:
        words += f" {MOST_CURVES} of {len(drawings)} are shown."
    labels = [variant.label for variant in comparison.variants]
    return join([legend(labels), element("div", shown, class_="diagrams"), note(words)])
