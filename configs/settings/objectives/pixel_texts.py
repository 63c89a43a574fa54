"""Classes of patches by score maps: DenseCLIP."""

from __future__ import annotations

from configs.settings import region_parts
from configs.settings.region_parts import IMAGE_VIEW, size
from configs.settings.setting import Setting, positive

CLASS = "vlp.objectives.pixel_texts:DenseTexts"

SETTINGS = {
    "labels": Setting("classes", "an entry of data.labels, of which a region's first counts"),
    "texts": Setting("classes", "an entry of data.texts, of the same labels"),
    "image_view": IMAGE_VIEW,
    "temperature": positive(0.07, "of cosines of patches and texts"),
    **size(256, 3, 4),
}

check = region_parts.check
