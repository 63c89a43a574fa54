"""Effective robustness: how far a model stands above the line of models that were trained on ImageNet alone.

Taori et al. 2020 (arXiv 2007.00644), section 2: rho(f) = acc_shifted(f) - beta(acc_ImageNet(f)), where beta is linear
between the logits of both accuracies. The lines are least-squares fits to the 87 models without a robustness
intervention or further data in the accuracies that the authors publish (imagenet-testbed, robustness_top1s.csv). On
ImageNet-A, whose images one of these models gets wrong by construction, there is no such line.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log

# Key of a task -> slope and intercept between logits; the share of the variance that the line explains.
LINES = {
    "imagenetv2": (0.9233, -0.4982),  # 0.996
    "imagenet_sketch": (1.0712, -2.3722),  # 0.868
    "imagenet-r": (0.9122, -1.6023),  # 0.876
    "objectnet": (1.1992, -2.0236),  # 0.941
}


def expected(shift: str, accuracy: float) -> float:
    """Returns the accuracy under a shift that the line foresees for an accuracy on ImageNet, in (0, 1)."""
    slope, intercept = LINES[shift]
    return 1 / (1 + exp(-(slope * log(accuracy / (1 - accuracy)) + intercept)))


def effective_robustness(figures: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Returns the distance to the line under each shift that was measured; none without ImageNet, or at its ends.

    Args:
      figures: by a task's key; `acc1` of `imagenet1k` and of the shifts.
    """
    accuracy = figures.get("imagenet1k", {}).get("acc1", 0.0)
    if not 0 < accuracy < 1:
        return {}
    return {
        f"effective_robustness/{shift}": figures[shift]["acc1"] - expected(shift, accuracy)
        for shift in LINES
        if "acc1" in figures.get(shift, {})
    }
