"""The kernels that an objective on scores can have, and what they can be told."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting, natural, not_negative, share_below_one

# Names of vlp.kernels, which loads JAX.
KERNELS = (
    "softmax",
    "softmax_in",
    "reverse_softmax",
    "sigmoid",
    "asymmetric_sigmoid",
    "separated",
    "joint",
)

CHUNK = natural(0, "rows of the score matrix that exist at a time, over all devices; 0 = all")
ASYMMETRIC = {
    "positive_focus": not_negative(0.0, "of kernel asymmetric_sigmoid: how much easy positives weigh less"),
    "negative_focus": not_negative(4.0, "of kernel asymmetric_sigmoid: how much easy negatives weigh less"),
    "clip": share_below_one(
        0.05, "of kernel asymmetric_sigmoid: probability below which a negative is done with"
    ),
    "focus_gradient": Setting(True, "False: the weights are constants, as in the public code"),
}


def check_smoothing(entry: Any, where: str) -> None:
    """Checks that label smoothing has the columns of a softmax to spread over."""
    if entry.label_smoothing and entry.kernel != "softmax":
        raise ValueError(
            f"{where}.label_smoothing={entry.label_smoothing} is for kernel='softmax', which shares a row's target out "
            f"over the columns; with kernel='{entry.kernel}' set it to 0"
        )
