"""Several captions of an image against the patches that each of them picks out: DreamLIP."""

from __future__ import annotations

from typing import Any

from configs.settings.model import check_logit_scale
from configs.settings.setting import Setting, not_negative, positive

CLASS = "vlp.objectives.grouping:Grouping"

SETTINGS = {
    "image_view": Setting("image", "batch field of images"),
    "text_view": Setting("captions", "a name of data.text_views"),
    "logit_scale": {
        "init": positive(1 / 0.07, "its first value"),
        "min": not_negative(0.0, "that it is clamped to after an update"),
        "max": positive(100.0, "that it is clamped to after an update"),
    },
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that its scale begins within its bounds."""
    check_logit_scale(entry.logit_scale, where)
