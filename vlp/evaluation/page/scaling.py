"""The page of a scaling fit: runs as points over the logarithm of the size, each form as a line with its band."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from vlp.evaluation.comparison.scaling import AHEAD, Fit, Point
from vlp.evaluation.page.curves import legend, ticks
from vlp.evaluation.page.document import Section, document
from vlp.evaluation.page.html import Markup, element, join
from vlp.evaluation.page.tables import grid, note

_WIDTH, _HEIGHT = 640, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 20, 12, 30


def scaling_page(figure: str, by: str, points: Sequence[Point], fits: Sequence[Fit]) -> str:
    """Returns one self-contained HTML file."""
    drawn = [_drawing(figure, by, points, fits), legend([fit.form for fit in fits])]
    ahead = f"at {AHEAD:g} times the largest"
    rows = [row for fit in fits for row in fit_rows(fit)]
    table = grid(["form", "coefficient", "value", "95% interval"], rows, "Fits")
    remarks = [note(f"{fit.form}: {fit.remark}") for fit in fits if fit.remark]
    runs = grid(
        ["run", by, figure],
        [[point.run, f"{point.size:g}", f"{point.value:.4g}"] for point in points],
        "Runs",
    )
    sections = [
        Section("Growth", join(drawn)),
        Section("Fits", join([table, *remarks])),
        Section("Runs", runs),
    ]
    about = {"figure": figure, "size": by, "runs": str(len(points))}
    footer = f"Bands and intervals: percentiles of a bootstrap of the residuals; what is foreseen, {ahead}."
    return document("Scaling", about, sections, footer)


def fit_rows(fit: Fit) -> list[list[str]]:
    """Returns a row for each coefficient, for the error, and for what is foreseen."""
    known = {**fit.coefficients, f"foreseen at {AHEAD:g} N": fit.foreseen}
    rows = [
        [fit.form, name, f"{one.value:.4g}", f"{one.low:.4g} to {one.high:.4g}"]
        for name, one in known.items()
    ]
    return [*rows, [fit.form, "error", f"{fit.error:.3g}", "-"]]


def _drawing(figure: str, by: str, points: Sequence[Point], fits: Sequence[Fit]) -> Markup:
    sizes = np.log10([point.size for point in points])
    values = [point.value for point in points]
    heights = [*values, *(end for fit in fits for line in fit.line for end in (line.min(), line.max()))]
    low, high = min(heights), max(heights)
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)

    def x(size: float) -> float:
        share = (np.log10(size) - sizes.min()) / (sizes.max() - sizes.min())
        return round(float(_LEFT + share * (_WIDTH - _LEFT - _RIGHT)), 1)

    def y(value: float) -> float:
        return round(float(_TOP + (high - value) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)), 1)

    def path(where: Float[np.ndarray, " points"], line: Float[np.ndarray, " points"]) -> str:
        return " ".join(f"{x(size):g},{y(value):g}" for size, value in zip(where, line, strict=True))

    parts: list[Markup] = []
    for value in ticks(low, high, 6):
        parts.append(
            element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y(value), y2=y(value), class_="grid-line")
        )
        parts.append(element("text", f"{value:.4g}", x=_LEFT - 6, y=y(value) + 4, text_anchor="end"))
    for size in sorted({point.size for point in points}):
        parts.append(element("text", f"{size:,g}", x=x(size), y=_HEIGHT - 9, text_anchor="middle"))
    for number, fit in enumerate(fits):
        middle, under, over = fit.line
        band = f"{path(fit.sizes, over)} {path(fit.sizes[::-1], under[::-1])}"
        parts.append(element("polygon", points=band, class_=f"band s{number}"))
        parts.append(element("polyline", points=path(fit.sizes, middle), class_=f"line s{number}"))
    parts += [element("circle", cx=x(one.size), cy=y(one.value), r=3.5, class_="dot") for one in points]
    picture = element(
        "svg",
        parts,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=f"{figure} by {by}: {len(points)} runs, {len(fits)} fits",
    )
    return element(
        "figure", element("figcaption", element("b", f"{figure} by {by}")), picture, class_="curves"
    )
