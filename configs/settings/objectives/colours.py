"""Colours of a picture from its greys and its caption: PLIP's colourisation."""

from __future__ import annotations

from configs.settings.setting import Setting, count

CLASS = "vlp.objectives.colours:Colours"
ASKS = {"image": "hidden_patches"}

SETTINGS = {
    "image_view": Setting("image", "batch field of images"),
    "width": count(128, "of the layer within the gate"),
}
