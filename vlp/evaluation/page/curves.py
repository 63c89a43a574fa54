"""Learning curves as inline SVG: a line a variant, told apart by dashes and letters too, and a band over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from vlp.evaluation.comparison.runs import Curve
from vlp.evaluation.page.html import Child, Markup, element, join

POINTS = 150  # of a line; longer ones show means of neighbouring steps
_STYLES = 6
_WIDTH, _HEIGHT = 420, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 26, 10, 28


class Line(NamedTuple):
    """The curve of a variant, drawn as all of that number are: its mean over seeds, and the least and the greatest."""

    letter: str
    style: int
    steps: Int[np.ndarray, " points"]
    mean: Float[np.ndarray, " points"]
    low: Float[np.ndarray, " points"]
    high: Float[np.ndarray, " points"]


def line(letter: str, number: int, curves: Sequence[Curve]) -> Line:
    """Curves of several seeds of a variant together, at every step that any of them has."""
    steps = np.unique(np.concatenate([steps for steps, _ in curves]))
    values = np.full((len(curves), len(steps)), np.nan)
    for row, (own, curve) in enumerate(curves):
        values[row, np.searchsorted(steps, own)] = curve
    known = np.isfinite(values).any(axis=0)
    steps, values = steps[known], np.where(np.isfinite(values), values, np.nan)[:, known]
    parts = [part for part in np.array_split(np.arange(len(steps)), POINTS) if len(part)]
    if not parts:
        nothing = np.zeros(0)
        return Line(letter, number % _STYLES, steps, nothing, nothing, nothing)
    seeds = np.stack([_mean(values[:, part], axis=1) for part in parts], axis=1)
    ends = steps[[part[-1] for part in parts]]
    return Line(
        letter,
        number % _STYLES,
        ends,
        _mean(seeds, axis=0),
        np.nanmin(seeds, axis=0),
        np.nanmax(seeds, axis=0),
    )


def draw_curves(title: str, lines: Sequence[Line], *, share: bool, marks: Sequence[int] = ()) -> Markup:
    """Returns a small diagram under its title.

    Args:
      title: the name of the value.
      lines: at least one with a point.
      share: whether values are written in per cent.
      marks: steps where something begins, such as a stage, drawn as upright dashes.
    """
    drawn = [one for one in lines if len(one.steps)]
    last = max(int(one.steps[-1]) for one in drawn)
    low, high = min(one.low.min() for one in drawn), max(one.high.max() for one in drawn)
    low, high = (low, high) if high > low else (low - abs(low) / 2 - 1e-9, high + abs(high) / 2 + 1e-9)
    frame = _Frame(last or 1, float(low), float(high))
    ends = _apart([frame.y(float(one.mean[-1])) for one in drawn])
    parts: list[Child] = [
        _axes(frame, share=share),
        (_mark(frame.x(step)) for step in marks if step <= last),
        (_band(one, frame) for one in drawn),
        (_line(one, frame) for one in drawn),
        (
            element(
                "text",
                one.letter,
                x=frame.x(int(one.steps[-1])) + 5,
                y=f"{end + 4:.1f}",
                class_=f"letter s{one.style}",
            )
            for one, end in zip(drawn, ends, strict=True)
        ),
    ]
    ends_at = (f"{one.letter} ends at {_number(float(one.mean[-1]), share=share)}".strip() for one in drawn)
    return element(
        "figure",
        element("figcaption", element("b", title)),
        element(
            "svg",
            parts,
            viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
            role="img",
            aria_label=f"{title} by step: {'; '.join(ends_at)}",
        ),
        class_="curves",
    )


def legend(labels: Sequence[str]) -> Markup:
    """Tells which line is which variant's."""
    items = (
        element(
            "li",
            element(
                "svg",
                element("line", x1=0, x2=36, y1=6, y2=6, class_=f"line s{number % _STYLES}"),
                viewBox="0 0 36 12",
                width=36,
                height=12,
                aria_hidden="true",
            ),
            " ",
            label,
        )
        for number, label in enumerate(labels)
    )
    return element("ul", items, class_="legend")


class _Frame(NamedTuple):
    """From steps and values to places in the drawing."""

    last: int
    low: float
    high: float

    def x(self, step: float) -> float:
        return round(_LEFT + step / self.last * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        inner = _HEIGHT - _TOP - _BOTTOM
        return round(_TOP + (self.high - value) / (self.high - self.low) * inner, 1)


def _axes(frame: _Frame, *, share: bool) -> Markup:
    parts: list[Markup] = []
    for value in ticks(frame.low, frame.high, 6):
        y = frame.y(value)
        parts.append(element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid-line"))
        parts.append(element("text", _number(value, share=share), x=_LEFT - 6, y=y + 4, text_anchor="end"))
    for step in ticks(0, frame.last, 6):
        anchor = {"text_anchor": "middle"}
        parts.append(element("text", f"{step:,.0f}", x=frame.x(step), y=_HEIGHT - 9, **anchor))
    return join(parts)


def _mark(x: float) -> Markup:
    return element("line", x1=x, x2=x, y1=_TOP, y2=_HEIGHT - _BOTTOM, class_="chance")


def ticks(low: float, high: float, most: int) -> list[float]:
    """Returns round numbers (1, 2 or 5 times a power of ten apart) between two, about as many as asked for."""
    raw = (high - low) / most
    power = 10.0 ** np.floor(np.log10(raw))
    step = float(power * next(factor for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999))
    first = int(np.ceil(low / step - 1e-9))
    return [number * step for number in range(first, int(np.floor(high / step + 1e-9)) + 1)]


def _band(one: Line, frame: _Frame) -> Markup:
    if np.array_equal(one.low, one.high):
        return Markup()
    there = _points(one.steps, one.high, frame)
    back = _points(one.steps[::-1], one.low[::-1], frame)
    return element("polygon", points=f"{there} {back}", class_=f"band s{one.style}")


def _line(one: Line, frame: _Frame) -> Markup:
    if len(one.steps) == 1:
        return element(
            "circle",
            cx=frame.x(int(one.steps[0])),
            cy=frame.y(float(one.mean[0])),
            r=3,
            class_=f"point s{one.style}",
        )
    return element("polyline", points=_points(one.steps, one.mean, frame), class_=f"line s{one.style}")


def _points(steps: Int[np.ndarray, " points"], values: Float[np.ndarray, " points"], frame: _Frame) -> str:
    return " ".join(f"{frame.x(int(x)):g},{frame.y(float(y)):g}" for x, y in zip(steps, values, strict=True))


def _mean(values: Float[np.ndarray, "rows columns"], *, axis: int) -> Float[np.ndarray, " others"]:
    """Of the numbers that there are; nan where there is none."""
    count = np.isfinite(values).sum(axis=axis)
    return np.where(count, np.nansum(values, axis=axis) / np.maximum(count, 1), np.nan)


def _apart(places: Sequence[float], least: float = 12) -> list[float]:
    """Places of letters, moved down where one would lie on another."""
    moved = list(places)
    taken = -np.inf
    for number in sorted(range(len(places)), key=lambda one: places[one]):
        taken = moved[number] = max(places[number], taken + least)
    return moved


def _number(value: float, *, share: bool) -> str:
    return f"{100 * value:.3g}%" if share else f"{value:.4g}"
