"""Diagrams of one exhibit as inline SVG: how sure answers are against how right, and where classes lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from vlp.evaluation.exhibits import Map, Reliability
from vlp.evaluation.page.curves import legend
from vlp.evaluation.page.html import Markup, element, join, shorten
from vlp.evaluation.page.tables import grid, note

BINS = 10
CLASSES = 6  # of a map that have a style of their own: the most frequent
LONGEST = 60  # letters of a class in the legend
_SIDE, _EDGE = 300, 34
_SPAN = _SIDE - 2 * _EDGE


def draw_reliability(exhibit: Reliability) -> Markup:
    """Draws the accuracy of answers by how sure they are, and the same as a table; on the diagonal both are equal."""
    confidence, right = np.asarray(exhibit.confidence, float), np.asarray(exhibit.right, bool)
    if not len(confidence):
        return note("There is nothing to show.")
    number = np.minimum((confidence * BINS).astype(int), BINS - 1)
    found = [
        (int(own.sum()), float(confidence[own].mean()), float(right[own].mean()))
        for own in (number == one for one in range(BINS))
        if own.any()
    ]
    dots = (
        element(
            "circle",
            cx=_x(sure),
            cy=_y(hit),
            r=f"{3 + 9 * np.sqrt(count / len(right)):.1f}",
            class_="point s0",
        )
        for count, sure, hit in found
    )
    path = " ".join(f"{_x(sure)},{_y(hit)}" for _, sure, hit in found)
    drawing = element(
        "svg",
        join(_frame()),
        element("line", x1=_x(0), y1=_y(0), x2=_x(1), y2=_y(1), class_="chance"),
        element("polyline", points=path, class_="line s0"),
        join([*dots]),
        viewBox=f"0 0 {_SIDE} {_SIDE}",
        role="img",
        aria_label=f"{exhibit.title}: accuracy by confidence, in the table below",
    )
    rows = [[f"{count:,}", f"{100 * sure:.1f}%", f"{100 * hit:.1f}%"] for count, sure, hit in found]
    table = grid(["answers", "confidence", "right"], rows, exhibit.title)
    return join([element("figure", drawing, class_="curves square"), table])


def draw_map(exhibit: Map) -> Markup:
    """Draws points, those of the most frequent classes each in a style of its own."""
    points = np.asarray(exhibit.points, float)
    if not len(points):
        return note("There is nothing to show.")
    low, high = points.min(axis=0), points.max(axis=0)
    places = (points - low) / np.where(high > low, high - low, 1)
    frequent = [name for name, _ in Counter(exhibit.classes).most_common(CLASSES)]
    style = {name: f"point s{number}" for number, name in enumerate(frequent)}
    # The others first, so that they lie below.
    order = sorted(range(len(places)), key=lambda at: exhibit.classes[at] in style)
    dots = (
        element(
            "circle",
            element("title", exhibit.classes[at]),
            cx=_x(places[at, 0]),
            cy=_y(places[at, 1]),
            r=3,
            class_=style.get(exhibit.classes[at], "point other"),
        )
        for at in order
    )
    drawing = element(
        "svg",
        join([*dots]),
        viewBox=f"0 0 {_SIDE} {_SIDE}",
        role="img",
        aria_label=f"{exhibit.title}: {len(points)} points of {len(set(exhibit.classes))} classes",
    )
    parts = [
        element("figure", drawing, class_="curves square"),
        legend([shorten(name, LONGEST) for name in frequent]),
    ]
    others = len(set(exhibit.classes)) - len(frequent)
    return join([*parts, note(f"Points of {others} other classes are grey.")] if others else parts)


def _frame() -> Iterator[Markup]:
    for tenth in range(0, 11, 2):
        share = tenth / 10
        yield element("line", x1=_x(0), x2=_x(1), y1=_y(share), y2=_y(share), class_="grid-line")
        yield element("text", f"{10 * tenth}%", x=_x(0) - 6, y=_y(share) + 4, text_anchor="end")
        yield element("text", f"{10 * tenth}%", x=_x(share), y=_SIDE - _EDGE + 18, text_anchor="middle")


def _x(share: float) -> float:
    return round(_EDGE + 8 + float(share) * (_SPAN - 8), 1)


def _y(share: float) -> float:
    return round(_SIDE - _EDGE - float(share) * _SPAN, 1)
