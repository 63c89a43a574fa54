"""What an evaluator shows beside its figures: plain data, which `--job=evaluate` draws into a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

# As a view shows it: pixels, or a record of patches, of which `picture_of` makes pixels.
Picture: TypeAlias = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True)
class Bars:
    """A share by name, such as the accuracy of every class; `counts` says of how many each one is.

    `each` tells whether every one of them is right or wrong, so that a share has an interval.
    """

    title: str
    names: Sequence[str]
    shares: Float[np.ndarray, " names"]
    counts: Int[np.ndarray, " names"]
    each: bool = False


@dataclass(frozen=True)
class Confusion:
    """Says how often examples of a class (row) were given to a class (column)."""

    title: str
    classes: Sequence[str]
    counts: Int[np.ndarray, "classes classes"]


@dataclass(frozen=True)
class Search:
    """One query, a text or a picture, and what was found for it, best first, each right or wrong.

    `about` is what is asked of a picture, or what is known of it.
    """

    query: str | Picture
    found: Sequence[str | Picture]
    right: Bool[np.ndarray, " found"]
    scores: Float[np.ndarray, " found"]
    about: str = ""


@dataclass(frozen=True)
class Searches:
    """Some queries of a search, the same ones for every model."""

    title: str
    searches: Sequence[Search]


@dataclass(frozen=True)
class ScoreMap:
    """Says how well each place of a picture fits a text; the scores' grid covers the whole picture."""

    picture: Picture
    text: str
    scores: Float[np.ndarray, "rows columns"]


@dataclass(frozen=True)
class ScoreMaps:
    """Some pictures with their score maps."""

    title: str
    maps: Sequence[ScoreMap]


@dataclass(frozen=True)
class Reliability:
    """Holds how sure answers are, from 0 to 1, and whether each is right."""

    title: str
    confidence: Float[np.ndarray, " n"]
    right: Bool[np.ndarray, " n"]


@dataclass(frozen=True)
class Map:
    """Holds where things lie in two dimensions, and of which class each is."""

    title: str
    points: Float[np.ndarray, "n 2"]
    classes: Sequence[str]


@dataclass(frozen=True)
class BoxedPicture:
    """A picture, and boxes in it as left, top, right and bottom in [0, 1], with what each is called."""

    picture: Picture
    boxes: Float[np.ndarray, "boxes 4"]
    names: Sequence[str]


@dataclass(frozen=True)
class Boxes:
    """Some pictures with their boxes."""

    title: str
    pictures: Sequence[BoxedPicture]


@dataclass(frozen=True)
class Table:
    """Rows of text under a head, for what is none of the above."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


Exhibit: TypeAlias = Bars | Confusion | Searches | ScoreMaps | Boxes | Reliability | Map | Table
