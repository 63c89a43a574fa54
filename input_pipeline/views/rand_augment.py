"""RandAugment (arXiv 1909.13719): a few of fourteen operations, drawn with replacement, all of one magnitude."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from input_pipeline.errors import UserError

LARGEST_MAGNITUDE = 30
_WHITE = (255, 255, 255)  # as beyond the image everywhere
Operation = Callable[[Image.Image, float], Image.Image]


class RandAugment:
    """`operations` draws of an operation at `magnitude`, from 0 to 30; the paper's default is (2, 9)."""

    def __init__(self, operations: int, magnitude: float) -> None:
        if operations < 0 or not 0 <= magnitude <= LARGEST_MAGNITUDE:
            raise UserError(
                f"rand_augment ({operations}, {magnitude}) must be a number of operations of at least 0 and a "
                f"magnitude from 0 to {LARGEST_MAGNITUDE}"
            )
        self.operations, self.magnitude = operations, magnitude

    def __call__(self, image: Image.Image, dice: np.random.Generator) -> Image.Image:
        for _ in range(self.operations):
            operation = OPERATIONS[int(dice.integers(len(OPERATIONS)))]
            sign = 1 if dice.random() < 0.5 else -1
            image = operation(image, sign * self.magnitude / LARGEST_MAGNITUDE)
        return image


def _affine(image: Image.Image, coefficients: tuple[float, ...]) -> Image.Image:
    """Each target pixel (x, y) from (a x + b y + c, d x + e y + f), about the centre of the image."""
    a, b, c, d, e, f = coefficients
    x, y = image.width / 2, image.height / 2
    about_centre = (a, b, c + x - a * x - b * y, d, e, f + y - d * x - e * y)
    return image.transform(
        image.size, Image.Transform.AFFINE, about_centre, Image.Resampling.BILINEAR, fillcolor=_WHITE
    )


def _shear_x(image: Image.Image, level: float) -> Image.Image:
    return _affine(image, (1, 0.3 * level, 0, 0, 1, 0))


def _shear_y(image: Image.Image, level: float) -> Image.Image:
    return _affine(image, (1, 0, 0, 0.3 * level, 1, 0))


def _translate_x(image: Image.Image, level: float) -> Image.Image:
    return _affine(image, (1, 0, 150 / 331 * level * image.width, 0, 1, 0))


def _translate_y(image: Image.Image, level: float) -> Image.Image:
    return _affine(image, (1, 0, 0, 0, 1, 150 / 331 * level * image.height))


def _rotate(image: Image.Image, level: float) -> Image.Image:
    return image.rotate(30 * level, Image.Resampling.BILINEAR, fillcolor=_WHITE)


def _enhance(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> Operation:
    return lambda image, level: kind(image).enhance(1 + 0.9 * level)


def _posterize(image: Image.Image, level: float) -> Image.Image:
    return ImageOps.posterize(image, 8 - round(4 * abs(level)))


def _solarize(image: Image.Image, level: float) -> Image.Image:
    return ImageOps.solarize(image, round(255 * (1 - abs(level))))


# The names, ranges and number of torchvision's RandAugment, so that a magnitude means the same here and there.
OPERATIONS: tuple[Operation, ...] = (
    lambda image, level: image,
    _shear_x,
    _shear_y,
    _translate_x,
    _translate_y,
    _rotate,
    _enhance(ImageEnhance.Brightness),
    _enhance(ImageEnhance.Color),
    _enhance(ImageEnhance.Contrast),
    _enhance(ImageEnhance.Sharpness),
    _posterize,
    _solarize,
    lambda image, level: ImageOps.autocontrast(image),
    lambda image, level: ImageOps.equalize(image),
)
