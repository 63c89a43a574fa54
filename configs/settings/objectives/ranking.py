"""A pair's cosine ahead of its negatives' by a margin: VSE++."""

from __future__ import annotations

from configs.settings.kernels import CHUNK
from configs.settings.objectives.contrastive import TARGETS
from configs.settings.setting import Setting, not_negative, share

CLASS = "vlp.objectives.ranking:Ranking"

SETTINGS = {
    "targets": Setting(
        "pair", "what makes an image and a text match: equal ids of this kind", choices=TARGETS
    ),
    "direction": share(0.5, "share of image-to-text; the rest is text-to-image"),
    "margin": not_negative(0.2, "of cosines"),
    "hardest": Setting(True, "the hardest negative alone (VSE++); False = the sum over all"),
    "positives": Setting(
        "lowest", "of several: the lowest has to be ahead, or each, added up", choices=("lowest", "sum")
    ),
    "chunk": CHUNK,
}
