"""Classes of patches by attributes of the classes: AttrSeg."""

from __future__ import annotations

from configs.settings import region_parts
from configs.settings.region_parts import IMAGE_VIEW, size
from configs.settings.setting import Setting, count, positive

CLASS = "vlp.objectives.attribute_texts:AttributeClasses"

SETTINGS = {
    "labels": Setting("classes", "an entry of data.labels, of which a region's first counts"),
    "texts": Setting("attributes", "an entry of data.texts, of the same labels: their attributes"),
    "image_view": IMAGE_VIEW,
    "temperature": positive(0.07, "of cosines of patches and classes"),
    "most": count(8, "attributes of a class, the first of them"),
    "groups": Setting((4,), "that attributes are gathered into, stage by stage; a last one makes one row"),
    **size(256, 1, 4),
}

check = region_parts.check
