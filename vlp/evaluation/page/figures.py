"""The figures of an evaluation: each with its interval and beside chance, in numbers and as a small drawing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from vlp.evaluation.comparison.bootstrap import LEVEL, RESAMPLES, mean_interval
from vlp.evaluation.page.html import Markup, breakable, element
from vlp.evaluation.report import figure_and_set, format_figure

_WIDTH, _HEIGHT, _MARGIN = 200, 18, 6


def draw_figures(
    evaluator: str,
    figures: Mapping[str, float],
    chance: Mapping[str, float],
    outcomes: Mapping[str, Float[np.ndarray, " queries"]],
) -> Markup:
    """Returns a table of the evaluator's figures, a part for each evaluation set."""
    groups: dict[str, list[str]] = {}
    for name in figures:
        groups.setdefault(figure_and_set(name)[1], []).append(name)
    head = element(
        "thead",
        element(
            "tr",
            element("th", "figure", scope="col"),
            *(
                element("th", text, scope="col", class_="number")
                for text in ("value", f"{100 * LEVEL:.0f}% interval", "chance")
            ),
            element("th", _axis(), class_="plot", aria_hidden="true"),
        ),
    )
    bodies = (
        element(
            "tbody", _set_row(one, names, outcomes), (_row(name, figures, chance, outcomes) for name in names)
        )
        for one, names in groups.items()
    )
    return element(
        "table",
        element("caption", f"Figures of {evaluator}", class_="unseen"),
        head,
        bodies,
        class_="figures",
    )


def figures_key(*, intervals: bool) -> Markup:
    """Returns what the drawings and the intervals mean."""
    drawings = "In the drawings, the dot is the figure and the upright dashes are chance"
    drawings += "; the thick line is the interval. " if intervals else "."
    words = (
        f"Intervals are percentiles of {RESAMPLES:,} bootstrap samples of the queries, for figures that are means over "
        "queries: how far a figure would move with other examples of the same kind, not with another training run."
    )
    return element(
        "p", element("span", drawings, class_="plot-key"), words if intervals else "", class_="note"
    )


def _set_row(one: str, names: list[str], outcomes: Mapping[str, Float[np.ndarray, " queries"]]) -> Markup:
    sizes = sorted({len(outcomes[name]) for name in names if name in outcomes})
    about = f" {' or '.join(f'{size:,}' for size in sizes)} queries" if sizes else ""
    return element(
        "tr",
        element("th", one, element("span", about, class_="faint"), scope="rowgroup", colspan=5),
        class_="group",
    )


def _row(
    name: str,
    figures: Mapping[str, float],
    chance: Mapping[str, float],
    outcomes: Mapping[str, Float[np.ndarray, " queries"]],
) -> Markup:
    value, level = figures[name], chance.get(name)
    interval = mean_interval(np.asarray(outcomes[name], float)) if name in outcomes else (np.nan, np.nan)
    figure = figure_and_set(name)[0].partition("/")[2] or name
    shown = format_figure(name, value)
    return element(
        "tr",
        element("th", breakable(figure), scope="row", title=name),
        element("td", shown, class_="number value"),
        element("td", _written(name, interval), class_="number"),
        element("td", format_figure(name, level), class_="number faint"),
        element("td", _drawing(value, interval, level) if shown.endswith("%") else "", class_="plot"),
    )


def _written(name: str, interval: tuple[float, float]) -> str:
    if not np.isfinite(interval).all():
        return "-"
    low, high = (format_figure(name, end) for end in interval)
    return f"{low.removesuffix('%')} to {high}" if low != high else low


def _drawing(value: float, interval: tuple[float, float], chance: float | None) -> Markup:
    middle = _HEIGHT / 2
    parts = [element("line", x1=_x(0), x2=_x(1), y1=middle, y2=middle, class_="track")]
    if chance is not None and 0 <= chance <= 1:
        parts.append(element("line", x1=_x(chance), x2=_x(chance), y1=1, y2=_HEIGHT - 1, class_="chance"))
    if np.isfinite(interval).all():
        parts.append(
            element("line", x1=_x(interval[0]), x2=_x(interval[1]), y1=middle, y2=middle, class_="interval")
        )
    if 0 <= value <= 1:
        parts.append(element("circle", cx=_x(value), cy=middle, r=3.5, class_="dot"))
    return element(
        "svg", parts, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", width=_WIDTH, height=_HEIGHT, aria_hidden="true"
    )


def _axis() -> Markup:
    return element("span", (element("span", text) for text in ("0%", "50%", "100%")), class_="axis")


def _x(share: float) -> str:
    return f"{_MARGIN + min(max(share, 0.0), 1.0) * (_WIDTH - 2 * _MARGIN):.1f}"
