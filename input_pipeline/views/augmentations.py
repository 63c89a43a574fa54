"""What may happen to a training crop beyond cropping and mirroring; every part is off unless it is asked for.

The settings are keys of `data.image`; the defaults are off, cost nothing and roll no dice:

affine                    (degrees, shift, smallest, largest) of every picture, as torchvision's RandomAffine: turned by
                          an angle from [-degrees, degrees], moved by up to a share `shift` of either side, scaled by
                          a factor from [smallest, largest]; black comes in. ConVIRT (arXiv 2010.00747): (20, 0.1,
                          0.95, 1.05); (0, 0, 1, 1) is off
color_jitter              (brightness, contrast, saturation, hue), the strengths of SimCLR (arXiv 2002.05709,
                          appendix A; torchvision's ColorJitter): factors from [max(0, 1 - s), 1 + s], the hue's
                          turn from [-s, s] of a circle, in random order. SimCLR: (0.8, 0.8, 0.8, 0.2)
color_jitter_probability  of doing it at all
grayscale, blur, solarize probabilities; the blur is Gaussian, solarize inverts values of 128 and more (BYOL, arXiv
                          2006.07733, appendix B)
blur_sigma                of the blur, in pixels: from (0.1, 2), as in BYOL and SimCLR
rand_augment              (operations a picture, magnitude from 0 to 30), see `rand_augment.py`
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from input_pipeline.decode import Pixels
from input_pipeline.errors import UserError
from input_pipeline.views.rand_augment import RandAugment

STILL = (0.0, 0.0, 1.0, 1.0)  # an affine map that changes nothing
Apply = Callable[[Image.Image, np.random.Generator], Image.Image]


class Augmentation(NamedTuple):
    """Something that happens to a picture with some probability; its dice hang on its name alone."""

    name: str
    probability: float
    apply: Apply


def active_augmentations(settings: Mapping[str, Any]) -> tuple[Augmentation, ...]:
    """Returns those that the settings switch on, in the order in which they are applied.

    Raises:
      ValueError: a setting is out of its range.
    """
    strengths = tuple(settings.get("color_jitter", (0.0, 0.0, 0.0, 0.0)))
    operations, magnitude = settings.get("rand_augment", (0, 0))
    jitter = _share(settings, "color_jitter_probability") if any(strengths) else 0.0
    moves = tuple(settings.get("affine", STILL))
    blur = GaussianBlur(tuple(settings.get("blur_sigma", (0.1, 2.0))))
    known = (
        Augmentation("rand_augment", float(operations > 0), RandAugment(operations, magnitude)),
        Augmentation("affine", float(moves != STILL), Affine(moves)),
        Augmentation("color_jitter", jitter, ColorJitter(strengths)),
        Augmentation("grayscale", _share(settings, "grayscale"), grayscale),
        Augmentation("blur", _share(settings, "blur"), blur),
        Augmentation("solarize", _share(settings, "solarize"), solarize),
    )
    return tuple(augmentation for augmentation in known if augmentation.probability > 0)


def _share(settings: Mapping[str, Any], name: str) -> float:
    value = settings.get(name, 0.0)
    if not 0 <= value <= 1:
        raise UserError(f"{name} {value} is a probability: it must be in [0, 1] (0 = off)")
    return value


def augment(picture: Pixels, augmentations: tuple[Augmentation, ...], seed: int) -> Pixels:
    """Augments a picture; each augmentation rolls dice of (seed, its name), so that none shifts another's."""
    image = Image.fromarray(picture)
    for name, probability, apply in augmentations:
        key = np.array([seed, zlib.crc32(name.encode())], np.uint64)
        dice = np.random.Generator(np.random.Philox(key=key))
        if dice.random() < probability:
            image = apply(image, dice)
    return np.asarray(image)


class ColorJitter:
    """Brightness, contrast, saturation and hue, each by a random amount, one after another in random order."""

    def __init__(self, strengths: tuple[float, ...]) -> None:
        if len(strengths) != 4 or min(strengths) < 0 or strengths[3] > 0.5:
            raise UserError(
                f"color_jitter {strengths} must be four strengths of at least 0 (brightness, contrast, "
                "saturation, hue), the hue's at most 0.5"
            )
        self.strengths = strengths

    def __call__(self, image: Image.Image, dice: np.random.Generator) -> Image.Image:
        for which in dice.permutation(4):
            strength = self.strengths[which]
            if which == 3:
                turn = dice.uniform(-strength, strength)
                image = turn_hue(image, turn) if strength else image
            else:
                factor = dice.uniform(max(0.0, 1 - strength), 1 + strength)
                image = _ENHANCERS[which](image).enhance(factor) if strength else image
        return image


class Affine:
    """Turned around its middle, moved and scaled, each by a random amount; sampled bilinearly."""

    def __init__(self, moves: tuple[float, ...]) -> None:
        if len(moves) != 4 or min(moves[:2]) < 0 or moves[1] > 1 or not 0 < moves[2] <= moves[3]:
            raise UserError(
                f"affine {moves} must be (degrees, shift, smallest, largest) with degrees of at least 0, a shift from "
                "0 to 1 and 0 < smallest <= largest"
            )
        self.degrees, self.shift, self.smallest, self.largest = moves

    def __call__(self, image: Image.Image, dice: np.random.Generator) -> Image.Image:
        angle = math.radians(dice.uniform(-self.degrees, self.degrees))
        shift = dice.uniform(-self.shift, self.shift, 2) * np.array(image.size)
        scale = dice.uniform(self.smallest, self.largest)
        # From places of the result to places of the picture, which is what PIL asks for.
        back = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]) / scale
        middle = np.array(image.size) / 2
        offset = middle - back @ (middle + shift)
        matrix = np.column_stack([back, offset]).ravel()
        return image.transform(image.size, Image.Transform.AFFINE, tuple(matrix), Image.Resampling.BILINEAR)


_ENHANCERS = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)


def turn_hue(image: Image.Image, turn: float) -> Image.Image:
    """Shifts the hue by a share of the whole circle, in [-0.5, 0.5]."""
    hue, saturation, value = image.convert("HSV").split()
    shifted = np.asarray(hue) + np.uint8(round(turn * 255) % 256)  # wraps around, as the circle does
    return Image.merge("HSV", (Image.fromarray(shifted), saturation, value)).convert("RGB")


def grayscale(image: Image.Image, dice: np.random.Generator) -> Image.Image:
    """Puts the luma into all three channels."""
    return image.convert("L").convert("RGB")


class GaussianBlur:
    """Blurred by a sigma from an interval, in pixels."""

    def __init__(self, sigma: tuple[float, ...]) -> None:
        if len(sigma) != 2 or not 0 < sigma[0] <= sigma[1]:
            raise UserError(f"blur_sigma {sigma} must be two numbers (low, high) with 0 < low <= high")
        self.sigma = sigma

    def __call__(self, image: Image.Image, dice: np.random.Generator) -> Image.Image:
        return image.filter(ImageFilter.GaussianBlur(dice.uniform(*self.sigma)))


def solarize(image: Image.Image, dice: np.random.Generator) -> Image.Image:
    """Inverts values of 128 and more."""
    return ImageOps.solarize(image, 128)
