"""Images asked for every label by the label's own text: tagging with open labels."""

from __future__ import annotations

from configs.settings.kernels import ASYMMETRIC
from configs.settings.setting import Setting, positive

CLASS = "vlp.objectives.tagging:Tagging"

SETTINGS = {
    "labels": Setting("tags", "an entry of data.labels: yes, no and unknown"),
    "texts": Setting("tags", "an entry of data.texts, of the same labels"),
    "image_view": Setting("image", "batch field of images"),
    "kernel": Setting(
        "asymmetric_sigmoid", "what turns scores into a loss", choices=("sigmoid", "asymmetric_sigmoid")
    ),
    "asymmetric": {
        **ASYMMETRIC,
        "focus_gradient": Setting(False, "True: the weights are differentiated, too"),
    },
    "scale": positive(10.0, "of cosines, at first"),
    "bias": Setting(-4.0, "added to them, at first"),
}
