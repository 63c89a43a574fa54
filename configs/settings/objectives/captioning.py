"""A caption's tokens from those before them and the image's patches: CoCa's decoder, or captioning alone."""

from __future__ import annotations

from configs.settings.setting import Setting, natural

CLASS = "vlp.objectives.captioning:Captioning"

SETTINGS = {
    "image_view": Setting("image", "batch field of images"),
    "text_view": Setting(
        "text", "batch field of texts: `text`, or a name of data.text_views with a count of 1"
    ),
    "size": Setting("S", "of the decoder: Ti ... So400m; '' = by the four numbers below"),
    "width": natural(0, "of its tokens"),
    "depth": natural(0, "its blocks"),
    "heads": natural(0, "of its attentions"),
    "mlp_dim": natural(0, "hidden units of a block"),
}
