"""Crops, their patches and the bag of these against a teacher's: CMD, on EsViT's view and region losses."""

from __future__ import annotations

from configs.settings.objectives.self_distillation import SETTINGS as CROPS
from configs.settings.setting import Setting, not_negative

CLASS = "vlp.objectives.cross_level:CrossLevel"

SETTINGS = {
    **CROPS,
    "centring": Setting("mean", "against collapse, of crops and of patches", choices=("mean",)),
    "bag_weight": not_negative(1.0, "of what the patches of a crop say together"),
}
