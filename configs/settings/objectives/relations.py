"""Relations of regions by prototypes of predicates: PE-Net."""

from __future__ import annotations

from typing import Any

from configs.settings import region_parts
from configs.settings.region_parts import HEAD, IMAGE_VIEW
from configs.settings.setting import Setting, positive

CLASS = "vlp.objectives.relations:RelationPrototypes"

SETTINGS = {
    "image_view": IMAGE_VIEW,
    "predicates": Setting("predicates", "an entry of data.texts: eight directions, clockwise from right"),
    "scale": positive(1 / 0.07, "of cosines of pairs and prototypes, at first"),
    **HEAD,
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that all patches are there, and two regions between which there can be a relation."""
    region_parts.check(entry, config, where)
    if entry.weight and config.data.regions.most < 2:
        raise ValueError(
            f"{where} learns relations of two regions, and data.regions.most={config.data.regions.most} of an image: "
            "set it to 2 or more"
        )
