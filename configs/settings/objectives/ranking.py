"""A pair's cosine ahead of its negatives' by a margin: VSE++."""

from __future__ import annotations

from configs.settings.objectives.contrastive import TARGETS
from configs.settings.setting import Setting, not_negative

CLASS = "vlp.objectives.ranking:Ranking"

SETTINGS = {
    "targets": Setting(
        "pair", "what makes an image and a text match: equal ids of this kind", choices=TARGETS
    ),
    "margin": not_negative(0.2, "of cosines"),
    "hardest": Setting(True, "the hardest negative alone (VSE++); False = the sum over all"),
}
