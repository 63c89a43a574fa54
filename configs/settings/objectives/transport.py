"""Patches and labels moved onto each other: PatchCT."""

from __future__ import annotations

from configs.settings import region_parts
from configs.settings.kernels import ASYMMETRIC
from configs.settings.region_parts import IMAGE_VIEW
from configs.settings.setting import Setting, not_negative, positive

CLASS = "vlp.objectives.transport:Transport"

SETTINGS = {
    "labels": Setting("tags", "an entry of data.labels: yes, no and unknown"),
    "texts": Setting("tags", "an entry of data.texts, of the same labels"),
    "image_view": IMAGE_VIEW,
    "transport_weight": not_negative(1.0, "of the transport beside the asymmetric loss"),
    "sharpness": positive(10.0, "of the softmaxes that share out patches and labels, at first"),
    "scale": positive(10.0, "of the cosine that a label is scored by, at first"),
    "bias": Setting(-4.0, "added to it, at first"),
    "asymmetric": {
        **ASYMMETRIC,
        "focus_gradient": Setting(False, "True: the weights are differentiated, too"),
    },
}

check = region_parts.check
