"""Relations of regions by prototypes of predicates: PE-Net."""

from __future__ import annotations

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

check = region_parts.check
