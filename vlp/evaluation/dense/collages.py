"""Two by two labelled images in one: where each of them lies is known, without anybody having drawn a box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Int64, UInt8

from input_pipeline.errors import UserError
from input_pipeline.views.patches import like, picture_of, square_side
from vlp.evaluation.protocols import EvaluationSet
from vlp.evaluation.texts.class_names import labelled_classes

QUADRANTS = 4  # upper left, upper right, lower left, lower right


class Collages(NamedTuple):
    """Pictures of four classes each.

    Attributes:
        images: the pictures.
        seen: the same as the model takes them: the same object, or records of patches.
        classes: of each picture's quadrants, row by row, all different.
    """

    images: UInt8[np.ndarray, "collages side side 3"]
    seen: np.ndarray
    classes: Int64[np.ndarray, "collages 4"]


def make_collages(
    images: UInt8[np.ndarray, "n side side 3"],
    classes: Int[np.ndarray, " n"],
    count: int,
    *,
    enlarge: bool,
) -> Collages:
    """Makes the same collages at every call: each of four random images of four different classes.

    Args:
        images: of one side, an even number of pixels; or records of patches, each of which becomes a square.
        classes: of the images.
        count: how many.
        enlarge: keep the images as they are, in collages of twice their side; else their side is halved.

    Raises:
        ValueError: fewer than four classes, or a side that cannot be halved.
    """
    check_collages(images, classes, enlarge=enlarge)
    dice = np.random.default_rng(0)
    chosen = np.stack([_four(dice.permutation(len(classes)), classes) for _ in range(count)])
    pictures = squared(images)
    parts = pictures if enlarge else halved(pictures)
    upper, lower = (
        np.concatenate([parts[chosen[:, left]], parts[chosen[:, left + 1]]], axis=2) for left in (0, 2)
    )
    made = np.concatenate([upper, lower], axis=1)
    return Collages(made, like(images, made), classes[chosen].astype(np.int64))


def collages_by_set(
    data: Mapping[str, EvaluationSet], sets: Sequence[str], count: int, *, enlarge: bool
) -> dict[str, Collages]:
    """Makes the collages of each set's labelled images, classes by the order of `labelled_classes`."""
    made = {}
    for name in sets:
        _, rows, classes = labelled_classes(name, data[name].labels)
        made[name] = make_collages(data[name].images[rows], classes, count, enlarge=enlarge)
    return made


def squared(images: np.ndarray) -> UInt8[np.ndarray, "n side side 3"]:
    """Returns images as squares: those of patches at their own aspect ratio as the largest within their budget, whole
    and out of shape (bicubic), or as they are where they are such squares."""
    from PIL import Image

    if not images.dtype.names:
        return images
    side, squares = square_side(images), []
    for picture in map(picture_of, images):
        fits = picture.shape == (side, side, 3)
        resized = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)
        squares.append(picture if fits else np.asarray(resized))
    return np.stack(squares)


def check_collages(
    images: UInt8[np.ndarray, "n side side 3"], classes: Int[np.ndarray, " n"], *, enlarge: bool
) -> None:
    """Refuses what no collages can be made of; looks at the size of the images alone.

    Raises:
        ValueError: fewer than four classes, or a side that cannot be halved.
    """
    if len(np.unique(classes)) < QUADRANTS:
        raise UserError(f"a collage takes four classes, and the images have {len(np.unique(classes))}")
    if not enlarge:
        _check_even(square_side(images))


def _four(order: Int[np.ndarray, " n"], classes: Int[np.ndarray, " n"]) -> Int[np.ndarray, 4]:
    """The first four images in this order that are of different classes."""
    _, first = np.unique(classes[order], return_index=True)
    return order[np.sort(first)[:QUADRANTS]]


def halved(images: UInt8[np.ndarray, "n side side 3"]) -> UInt8[np.ndarray, "n half half 3"]:
    """Halves images: every pixel is the mean of two by two.

    Raises:
        ValueError: the side is odd.
    """
    side = images.shape[1]
    _check_even(side)
    parts = images.reshape(len(images), side // 2, 2, side // 2, 2, 3)
    return np.round(parts.mean(axis=(2, 4), dtype=np.float32)).astype(np.uint8)


def _check_even(side: int) -> None:
    if side % 2:
        raise UserError(f"images of {side} x {side} pixels cannot be halved: set enlarge=True")


def quadrant_of_cells(side: int) -> Int64[np.ndarray, "side side"]:
    """Tells which quadrant each cell of a grid lies in; -1 for the middle row and column of an odd side, cut in two."""
    half = np.sign(np.arange(side) * 2 - (side - 1))
    place = np.where(half > 0, 1, 0)
    quadrants = 2 * place[:, None] + place
    return np.where((half[:, None] == 0) | (half == 0), -1, quadrants)
