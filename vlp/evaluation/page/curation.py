"""The page of a curation: what each step removed and why, histograms before and after, and pictures of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from vlp.evaluation.page.curves import ticks
from vlp.evaluation.page.document import Section, document
from vlp.evaluation.page.html import Markup, breakable, element, join, shorten
from vlp.evaluation.page.pictures import MOST_BYTES, MOST_PICTURES, SIDE, Album
from vlp.evaluation.page.tables import grid, note

_WIDTH, _HEIGHT = 420, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 12, 10, 28
_MOST_TEXT = 120


@dataclass(frozen=True)
class Histogram:
    """Holds how many records have a value in each bin.

    Attributes:
      title: of the value.
      edges: of the bins; the first and the last take what lies beyond them.
      before, after: of all records, and of those that are kept.
    """

    title: str
    edges: Float[np.ndarray, " bins+1"]
    before: Int[np.ndarray, " bins"]
    after: Int[np.ndarray, " bins"]


@dataclass(frozen=True)
class Tally:
    """Holds how many records have each of some names, before and after."""

    title: str
    rows: Sequence[tuple[str, int, int]]


@dataclass(frozen=True)
class Tile:
    """Holds what is shown of a record: its picture, if it has one that can be read, and its text."""

    name: str
    text: str
    picture: UInt8[np.ndarray, "height width 3"] | None = None


@dataclass(frozen=True)
class Sheet:
    """Holds some of the records that are kept, or that a step dropped for one reason."""

    title: str
    count: int
    tiles: Sequence[Tile]


def curation_page(
    report: Mapping[str, Any],
    histograms: Sequence[Histogram],
    tallies: Sequence[Tally],
    sheets: Sequence[Sheet],
    looked_at: int,
) -> str:
    """Returns one self-contained HTML file.

    Args:
      report: as --job=curate leaves it.
      histograms, tallies: of values before and after.
      sheets: of kept records, and of those dropped by reason.
      looked_at: how many records the histograms of captions, sizes and tags are of.
    """
    album, records, kept = Album(), int(report["records"]), int(report["kept"])
    about = {
        "records": f"{records:,}",
        "kept": f"{kept:,} ({kept / max(records, 1):.1%})",
        "sources": ", ".join(report["sources"]),
    }
    remark = f"Pale: before; solid: what is kept. Captions, sizes and tags are those of {looked_at:,} records"
    remark += f" of {records:,}; scores are all of them." if looked_at < records else "."
    drawn = element("div", map(draw_histogram, histograms), class_="diagrams")
    sections = [
        Section("Steps", _steps(report)),
        Section("Before and after", join([drawn, *map(_tally, tallies), note(remark)])),
        *(Section(_titled(sheet), _sheet(sheet, album)) for sheet in sheets),
    ]
    footer = f"Pictures have {SIDE} pixels at most; there is room for {MOST_PICTURES} of them"
    footer += f" and {MOST_BYTES / 1e6:.0f} MB"
    footer += f", and {album.left_out:,} were left out." if album.left_out else "."
    return document("Curation", about, sections, footer)


def draw_histogram(histogram: Histogram) -> Markup:
    """Returns a small diagram: for every bin what is kept in front of what was there."""
    edges, most = histogram.edges, max(int(histogram.before.max(initial=0)), 1)
    low, span = float(edges[0]), float(edges[-1] - edges[0])

    def x(value: float) -> float:
        return round(_LEFT + (value - low) / span * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(count: float) -> float:
        return round(_TOP + (1 - count / most) * (_HEIGHT - _TOP - _BOTTOM), 1)

    def bars(counts: Int[np.ndarray, " bins"], style: str) -> list[Markup]:
        return [
            element(
                "rect",
                x=x(first),
                y=y(count),
                width=round(max(x(end) - x(first) - 1, 0.5), 1),
                height=round(y(0) - y(count), 1),
                class_=style,
            )
            for first, end, count in zip(edges[:-1], edges[1:], counts.tolist(), strict=True)
            if count
        ]

    parts: list[Markup] = []
    for count in ticks(0, most, 4):
        parts.append(
            element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y(count), y2=y(count), class_="grid-line")
        )
        parts.append(element("text", f"{count:,.0f}", x=_LEFT - 6, y=y(count) + 4, text_anchor="end"))
    for value in ticks(low, float(edges[-1]), 6):
        parts.append(element("text", f"{value:,.4g}", x=x(value), y=_HEIGHT - 9, text_anchor="middle"))
    parts += [*bars(histogram.before, "band all"), *bars(histogram.after, "point s0")]
    words = f"{histogram.title}: {histogram.before.sum():,} before, {histogram.after.sum():,} kept"
    return element(
        "figure",
        element("figcaption", element("b", histogram.title)),
        element("svg", parts, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img", aria_label=words),
        class_="curves",
    )


def _steps(report: Mapping[str, Any]) -> Markup:
    rows = []
    for step in report["steps"]:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in step["dropped"].items())
        figures = (f"{step['seen']:,}", f"{step['kept']:,}", f"{step['removed']:.1%}")
        rows.append([step["name"], *figures, reasons or "-"])
    return grid(["step", "saw", "kept", "removed", "why"], rows, "Steps")


def _tally(tally: Tally) -> Markup:
    rows = [
        [shorten(name, 60), f"{before:,}", f"{after:,}", f"{after / max(before, 1):.1%}"]
        for name, before, after in tally.rows
    ]
    return join(
        [element("h3", tally.title), grid([tally.title, "before", "kept", "share"], rows, tally.title)]
    )


def _titled(sheet: Sheet) -> str:
    return f"{sheet.title}: {sheet.count:,}"


def _sheet(sheet: Sheet, album: Album) -> Markup:
    tiles = element("ul", (_tile(tile, album) for tile in sheet.tiles), class_="found")
    if len(sheet.tiles) == sheet.count:
        return tiles
    return join([tiles, note(f"{len(sheet.tiles)} of {sheet.count:,}, evenly spread over the data.")])


def _tile(tile: Tile, album: Album) -> Markup:
    said = shorten(tile.text, _MOST_TEXT)
    picture = "" if tile.picture is None else album.picture(tile.picture, said or tile.name)
    return element(
        "li",
        picture,
        element("span", said, class_="text", dir="auto") if said else "",
        element("span", " ", breakable(shorten(tile.name, 60)), class_="score", dir="auto"),
    )
