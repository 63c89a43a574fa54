"""The hidden patches of one view of an image, from the rest of it and from another view: CroCo."""

from __future__ import annotations

from configs.settings.setting import Setting, natural, share_below_one

CLASS = "vlp.objectives.cross_view:CrossView"
ASKS = {"image": "hidden_patches"}

SETTINGS = {
    "view": Setting("pair", "a name of data.image_views with a count of 2"),
    "share": share_below_one(0.9, "of the first view's patches that are hidden"),
    "normalise": Setting(True, "each patch's pixels to mean 0 and variance 1"),
    "size": Setting("", "of the decoder: Ti ... So400m; '' = by the four numbers below"),
    "width": natural(512, "of its tokens"),
    "depth": natural(8, "its blocks"),
    "heads": natural(16, "of its attentions"),
    "mlp_dim": natural(2048, "hidden units of a block"),
}
