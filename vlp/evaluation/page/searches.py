"""Queries with what was found for them, and score maps over pictures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from jaxtyping import Float, UInt8

from input_pipeline.views.patches import picture_of
from vlp.evaluation.exhibits import Picture, ScoreMap, ScoreMaps, Search, Searches
from vlp.evaluation.page.html import Markup, element, join, shorten
from vlp.evaluation.page.pictures import SIDE, Album
from vlp.evaluation.page.tables import note

MOST_SEARCHES, MOST_FOUND, MOST_MAPS, MOST_TEXT = 16, 10, 24, 240
# Anchors of a colour map whose lightness rises evenly, from dark violet to pale yellow.
_COLOURS = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], float)


def draw_searches(exhibit: Searches, album: Album) -> Markup:
    """Returns a card a query, of a limited number of queries and of things found."""
    shown = exhibit.searches[:MOST_SEARCHES]
    cards = element("div", (_card(search, album) for search in shown), class_="cards")
    if len(shown) == len(exhibit.searches):
        return cards
    return join([cards, note(f"The first {len(shown)} of {len(exhibit.searches):,} queries.")])


def _card(search: Search, album: Album) -> Markup:
    found = list(zip(search.found, search.right, search.scores, strict=True))[:MOST_FOUND]
    textual = all(isinstance(item, str) for item, _, _ in found)
    items = (
        _found(item, bool(right), float(score), rank, album)
        for rank, (item, right, score) in enumerate(found, start=1)
    )
    return element(
        "article",
        element("div", _query(search, album), class_="query"),
        element("ol", items, class_="found texts" if textual else "found"),
        class_="card",
    )


def _query(search: Search, album: Album) -> Markup:
    about = element("p", shorten(search.about, MOST_TEXT), dir="auto") if search.about else ""
    if isinstance(search.query, str):
        return join([element("h4", shorten(search.query, MOST_TEXT) or "(an empty text)", dir="auto"), about])
    heading = element("h4", "Found for this picture", class_="unseen")
    return join([heading, album.picture(search.query, "the query"), about])


def _found(item: str | Picture, right: bool, score: float, rank: int, album: Album) -> Markup:
    word = "right" if right else "wrong"
    if isinstance(item, str):
        shown = element("span", shorten(item, MOST_TEXT), class_="text", dir="auto")
    else:
        shown = album.picture(item, f"number {rank} found, {word}")
    mark = element("span", "✓ " if right else "✗ ", element("span", word), class_="mark")
    about = element("span", mark, element("span", f" {score:.3f}", class_="score"), class_="about")
    return element("li", shown, about, class_=word)


def draw_score_maps(exhibit: ScoreMaps, album: Album) -> Markup:
    """Returns each picture beside itself under its scores, with a ring around the highest; several texts share a
    picture."""
    shown = exhibit.maps[:MOST_MAPS]
    groups = (list(group) for _, group in groupby(shown, key=lambda one: one.picture.tobytes()))
    drawn = element("div", (_group(group, album) for group in groups), class_="maps")
    if len(shown) == len(exhibit.maps):
        return join([drawn, _colour_key()])
    return join([drawn, _colour_key(), note(f"The first {len(shown)} of {len(exhibit.maps):,} score maps.")])


def _group(maps: Sequence[ScoreMap], album: Album) -> Markup:
    picture = element("figure", album.picture(maps[0].picture, "the picture"))
    return element("div", picture, (_map(one, album) for one in maps), class_="map-group")


def _map(one: ScoreMap, album: Album) -> Markup:
    scores, text = np.asarray(one.scores, float), shorten(one.text, MOST_TEXT)
    peak = np.unravel_index(int(np.argmax(np.where(np.isfinite(scores), scores, -np.inf))), scores.shape)
    place = _place(int(peak[0]), int(peak[1]), scores.shape)
    span = f"{np.nanmin(scores):.3f} to {np.nanmax(scores):.3f}"
    return element(
        "figure",
        album.picture(overlay(one.picture, scores), f"its scores for {text}, highest {place}"),
        element("figcaption", element("b", text, dir="auto"), element("span", span, class_="faint")),
    )


def _place(row: int, column: int, shape: tuple[int, ...]) -> str:
    vertical = ("at the top", "in the middle", "at the bottom")[min(3 * row // shape[0], 2)]
    horizontal = ("left", "centre", "right")[min(3 * column // shape[1], 2)]
    return f"{vertical} {horizontal}"


def overlay(
    picture: Picture, scores: Float[np.ndarray, "rows columns"]
) -> UInt8[np.ndarray, "height width 3"]:
    """Returns the picture in grey under the colours of its scores, between their least and greatest."""
    from PIL import Image, ImageDraw

    picture = picture_of(picture)
    scale = SIDE / max(picture.shape[:2])
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    grey = np.asarray(Image.fromarray(picture).convert("L").resize(size, Image.Resampling.BILINEAR), float)
    low, high = np.nanmin(scores), np.nanmax(scores)
    level = np.nan_to_num((scores - low) / (high - low if high > low else 1.0))
    smooth = Image.fromarray(level.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    drawn = Image.fromarray(np.uint8(np.rint(0.35 * grey[..., None] + 0.65 * _coloured(np.asarray(smooth)))))
    row, column = np.unravel_index(int(np.argmax(level)), level.shape)
    x, y = (column + 0.5) / level.shape[1] * size[0], (row + 0.5) / level.shape[0] * size[1]
    draw = ImageDraw.Draw(drawn)
    draw.ellipse((x - 7, y - 7, x + 7, y + 7), outline="black", width=4)
    draw.ellipse((x - 6, y - 6, x + 6, y + 6), outline="white", width=2)
    return np.asarray(drawn)


def _coloured(level: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "height width 3"]:
    anchors = np.linspace(0, 1, len(_COLOURS))
    return np.stack([np.interp(level, anchors, channel) for channel in _COLOURS.T], axis=-1)


def _colour_key() -> Markup:
    stops = ", ".join("#{:02x}{:02x}{:02x}".format(*map(int, colour)) for colour in _COLOURS)
    bar = element(
        "span", style=f"background:linear-gradient(to right, {stops})", class_="colours", aria_hidden="true"
    )
    words = " from the lowest to the highest score of each map; the ring is around the highest"
    return element("p", bar, words, class_="note")
