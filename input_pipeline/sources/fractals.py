"""Fractals with several labels, drawn when they are asked for: pictures without a file.

The path says which: `classes=1000,images=1000000,side=64,seed=0`, all of them optional. A class is an iterated function
system (`input_pipeline/iterated_functions.py`). A picture shows one to five of different classes, each turned, flipped
and coloured at random, 0.15 to 0.6 of the side wide, the later ones over the earlier, on a random soft background; its
tags are their names, which its caption says, too, for mixtures with pairs. It is a function of seed and index alone, so
any process draws the same bytes. Improving Fractal Pre-training (arXiv 2110.03091); how colours and backgrounds are
drawn is our own.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from input_pipeline.errors import UserError
from input_pipeline.iterated_functions import affine_maps, chaos_game, density
from input_pipeline.records import Caption, Record
from input_pipeline.sources.columns import did_you_mean

FORMATS = {"fractals": "FractalSource"}
NAMED = True

DEFAULTS = {"classes": 1000, "images": 1_000_000, "side": 64, "seed": 0}
MAPS = (2, 7)  # of a system
MOST = 5  # fractals of a picture
SIZES = (0.15, 0.6)  # of a fractal, as shares of the side
_WALKS = 256
_REMEMBERED = 512  # classes, of 80 KB each at 64 pixels, 430 KB at 224


class FractalSource:
    """Records that no file holds."""

    def __init__(self, path: str, columns: Mapping[str, str] | None = None) -> None:
        """Reads what to draw; draws nothing yet.

        Args:
          path: see above.
          columns: none: what a fractal has is known.

        Raises:
          ValueError: a name or a number of the path that means nothing here.
        """
        if columns:
            raise UserError(f"fractals: what they have is known; leave columns={dict(columns)} empty")
        said = _parse(path)
        self._classes, self._images, self._side, self._seed = (said[name] for name in DEFAULTS)

    def __len__(self) -> int:
        return self._images

    def __getitem__(self, index: int) -> Record:
        dice = self._dice(index)
        classes = self._shown(dice)
        tags = tuple(map(self._name, classes.tolist()))
        text = (Caption(f"a picture of {' and '.join(tags)}", "procedural", "en"),)
        return Record(str(index), ppm(self._draw(classes, dice)), text, tags, source="fractals")

    def ids(self) -> Iterator[str]:
        """Yields the id of every record; nothing is drawn."""
        return map(str, range(self._images))

    def values(self, field: str) -> Iterator[list[str] | None]:
        """Yields the tags of every record; nothing is drawn."""
        if field != "tags":
            yield from (None for _ in range(self._images))
            return
        for index in range(self._images):
            yield [self._name(one) for one in self._shown(self._dice(index)).tolist()]

    def _dice(self, index: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=np.array([self._seed, index], np.uint64)))

    def _shown(self, dice: np.random.Generator) -> Int[np.ndarray, " shown"]:
        """The classes of a picture: the first that its dice say."""
        most = min(MOST, self._classes)
        return dice.choice(self._classes, int(dice.integers(1, most + 1)), replace=False, shuffle=False)

    def _name(self, number: int) -> str:
        return f"fractal-{number:0{len(str(self._classes - 1))}d}"

    def _draw(
        self, classes: Int[np.ndarray, " shown"], dice: np.random.Generator
    ) -> UInt8[np.ndarray, "side side 3"]:
        side = self._side
        canvas = _background(side, dice)
        for number in classes.tolist():
            size = max(2, round(side * dice.uniform(*SIZES)))
            angle, flip = dice.uniform(0, 2 * np.pi), dice.choice((-1.0, 1.0))
            sine, cosine = np.sin(angle), np.cos(angle)
            turn = np.array([[cosine, -sine * flip], [sine, cosine * flip]], np.float32)
            shades = density((turn @ _points(self._seed, number, side)).T, size)
            row, column = dice.integers(0, side - size + 1, 2)
            place = canvas[row : row + size, column : column + size]
            there = shades > 0
            place[there] = _coloured(shades[there], dice)
        return (255 * canvas).astype(np.uint8)


@functools.lru_cache(_REMEMBERED)
def _points(seed: int, number: int, side: int) -> Float32[np.ndarray, "2 points"]:
    """Points of a class, about three for each cell of its largest picture."""
    # Of no picture: an index has no second half.
    dice = np.random.Generator(np.random.Philox(key=np.array([seed, number + 2**63], np.uint64)))
    system = affine_maps(int(dice.integers(MAPS[0], MAPS[1] + 1)), dice)
    steps = max(40, round(3 * (SIZES[1] * side) ** 2 / _WALKS))
    return chaos_game(system, dice.random((steps, _WALKS))).reshape(-1, 2).T.astype(np.float32, order="C")


def _coloured(shades: Float[np.ndarray, " cells"], dice: np.random.Generator) -> Float[np.ndarray, "cells 3"]:
    """A hue that moves with the shade, from a random one on."""
    hue = dice.uniform() + dice.uniform(0.1, 0.6) * np.sqrt(shades)[:, None] + np.array([0, 1 / 3, 2 / 3])
    return 0.5 + 0.5 * np.cos(2 * np.pi * hue)


def _background(side: int, dice: np.random.Generator) -> Float[np.ndarray, "side side 3"]:
    """Soft patches of two colours: noise of a few sizes, interpolated."""
    noise = np.zeros((side, side))
    for cells in (2, 4, 8):
        spread = _interpolation(side, cells)
        noise += spread @ dice.random((cells + 1, cells + 1)) @ spread.T / cells
    noise = (noise - noise.min()) / max(float(np.ptp(noise)), 1e-9)
    first, second = dice.random((2, 3))
    return first + noise[:, :, None] * (second - first)


@functools.lru_cache(16)
def _interpolation(side: int, cells: int) -> Float[np.ndarray, "side cells+1"]:
    """Weights of the corners of cells, for a line of pixels."""
    places = (np.arange(side) + 0.5) * cells / side
    return np.maximum(0.0, 1.0 - np.abs(places[:, None] - np.arange(cells + 1)))


def ppm(pixels: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """Encodes pixels as simply as can be: no time is lost on compressing what is decoded at once."""
    return b"P6 %d %d 255\n" % (pixels.shape[1], pixels.shape[0]) + pixels.tobytes()


def _parse(path: str) -> dict[str, int]:
    said = dict(DEFAULTS)
    for part in filter(None, map(str.strip, path.split(","))):
        name, _, text = part.partition("=")
        if name not in DEFAULTS:
            raise UserError(
                f"fractals: '{name}' is not one of {', '.join(DEFAULTS)}{did_you_mean(name, DEFAULTS)}; a path is such "
                "as 'classes=1000,images=1000000,side=64'"
            )
        if not text.isdecimal() or int(text) < {"seed": 0, "side": 8}.get(name, 1):
            least = {"seed": 0, "side": 8}.get(name, 1)
            raise UserError(f"fractals: {name}='{text}' must be a whole number of at least {least}")
        said[name] = int(text)
    return said
