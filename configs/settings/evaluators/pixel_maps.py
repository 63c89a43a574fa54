"""Classes of pixels by score maps, on sets that have masks: mean IoU."""

from __future__ import annotations

from configs.settings.evaluators import PREFIX_TOKEN, templates
from configs.settings.setting import Setting

CLASS = "vlp.evaluation.dense.pixel_maps:PixelMaps"

SETTINGS = {
    "scorer": Setting("", "part of the model whose score maps count; '' = cosines of patches"),
    "background": Setting(
        0.0, "deviations above a picture's mean score, below which the best of a pixel means background"
    ),
    "templates": templates("simple"),
    "prefix_token": PREFIX_TOKEN,
}
