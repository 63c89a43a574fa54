"""Images that are changed by at most a budget, each value by itself, to turn a linear yes or no around.

FGSM (Goodfellow et al. 2015, arXiv 1412.6572): one step along the gradient's signs. PGD (Madry et al. 2018, arXiv
1706.06083): several smaller ones from a random place within the budget, which no step leaves. Noise of the same size
is what either is compared with.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float32, Float64

from vlp.evaluation.detection.rule import Rule
from vlp.evaluation.protocols import PixelPath

Pixels = Float[np.ndarray, "n h w 3"]
Sides = Float64[np.ndarray, " n"]  # 1 for yes, -1 for no: the right answers
SMALL_STEPS = 2.5  # budgets that all steps of PGD go together


def _within(changed: Pixels, pixels: Pixels, budget: float) -> Float32[np.ndarray, "n h w 3"]:
    return np.clip(np.clip(changed, pixels - budget, pixels + budget), 0, 1).astype(np.float32)


def _against(path: PixelPath, rule: Rule, pixels: Pixels, sides: Sides) -> Float32[np.ndarray, "n h w 3"]:
    """The signs along which each image's right answer loses."""
    return -np.sign(path.gradients(pixels, sides[:, None] * rule.direction))


def noise(
    path: PixelPath, rule: Rule, pixels: Pixels, sides: Sides, budget: float, steps: int
) -> Float32[np.ndarray, "n h w 3"]:
    """Adds Gaussian noise with the budget as its deviation, cut to the budget."""
    dice = np.random.default_rng(0)
    return _within(pixels + budget * dice.standard_normal(pixels.shape), pixels, budget)


def fgsm(
    path: PixelPath, rule: Rule, pixels: Pixels, sides: Sides, budget: float, steps: int
) -> Float32[np.ndarray, "n h w 3"]:
    """Goes the whole budget along the signs of the gradient."""
    return _within(pixels + budget * _against(path, rule, pixels, sides), pixels, budget)


def pgd(
    path: PixelPath, rule: Rule, pixels: Pixels, sides: Sides, budget: float, steps: int
) -> Float32[np.ndarray, "n h w 3"]:
    """Goes several small steps, each along the signs where it stands."""
    dice = np.random.default_rng(0)
    changed = _within(pixels + dice.uniform(-budget, budget, pixels.shape), pixels, budget)
    for _ in range(steps):
        step = SMALL_STEPS * budget / steps * _against(path, rule, changed, sides)
        changed = _within(changed + step, pixels, budget)
    return changed


ATTACKS: dict[str, Callable[..., Float32[np.ndarray, "n h w 3"]]] = {"noise": noise, "fgsm": fgsm, "pgd": pgd}
