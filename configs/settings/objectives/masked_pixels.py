"""The pixels of hidden patches, from the image tower's outputs at their places: masked image modelling."""

from __future__ import annotations

from configs.settings.setting import Setting, share

CLASS = "vlp.objectives.masked_pixels:MaskedPixels"
ASKS = {"image": "hidden_patches"}

SETTINGS = {
    "view": Setting("image", "batch field of images: `image`, or a name of data.image_views"),
    "share": share(0.6, "of an image's patches that are hidden"),
    "blocks": Setting(False, "rectangles are hidden, rather than single patches"),
    "normalise": Setting(True, "each patch's pixels to mean 0 and variance 1"),
    "error": Setting("squared", "of a value", choices=("squared", "absolute")),
}
