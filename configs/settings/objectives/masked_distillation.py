"""An image's crops and its hidden patches against a teacher's scores of them: DINO, iBOT and KoLeo, as in DINOv2."""

from __future__ import annotations

from typing import Any

from configs.settings.objectives.self_distillation import SETTINGS as CROPS
from configs.settings.setting import Setting, natural, not_negative, share

CLASS = "vlp.objectives.masked_distillation:MaskedDistillation"
ASKS = {"image": "hidden_patches"}

SETTINGS = {
    **CROPS,
    "crop_weight": not_negative(1.0, "of what crops lose"),
    "patch_weight": not_negative(1.0, "of what patches lose (iBOT)"),
    "koleo_weight": not_negative(
        0.1, "of what spreads the student's global crops over the sphere; 0 = absent"
    ),
    "koleo_group": natural(0, "examples that look for a nearest one among themselves; 0 = the batch"),
    "shared_head": Setting(True, "of crops and patches"),
    "patches": Setting("hidden", "which are held to the teacher (all: iBOT++)", choices=("hidden", "all")),
    "masked_views": share(0.5, "of the global crops of an image, at least one: those with hidden patches"),
    "lowest_share": share(0.1, "of the patches of such a crop that are hidden"),
    "highest_share": share(0.5, "the same at most; in between all shares are as likely"),
    "blocks": Setting(True, "rectangles are hidden, rather than single patches"),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that patches are hidden in shares and groups that there are."""
    if not entry.weight:
        return
    if entry.lowest_share > entry.highest_share:
        raise ValueError(
            f"{where}.lowest_share={entry.lowest_share} is above highest_share={entry.highest_share}: lower it"
        )
    if entry.koleo_weight and entry.koleo_group and config.batch_size % entry.koleo_group:
        raise ValueError(
            f"{where}.koleo_group={entry.koleo_group} does not divide batch_size={config.batch_size}: "
            "take a divisor, or 0 for the whole batch"
        )
