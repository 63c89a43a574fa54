"""Labels asked of an image's patches by their descriptions: RAM++."""

from __future__ import annotations

from configs.settings import region_parts
from configs.settings.region_parts import CHUNK, IMAGE_VIEW, size
from configs.settings.setting import Setting, count, not_negative, positive

CLASS = "vlp.objectives.described_tags:DescribedTagging"

SETTINGS = {
    "labels": Setting("tags", "an entry of data.labels: yes, no and unknown"),
    "texts": Setting("tags", "an entry of data.texts, of the same labels: their descriptions"),
    "image_view": IMAGE_VIEW,
    "most": count(51, "descriptions of a label, the first of them"),
    "scale": positive(1 / 0.07, "of cosines of images and descriptions, at first"),
    "caption_weight": not_negative(1.0, "of the captions' loss, which asks every image for every caption"),
    "stored": Setting("", "a name of data.tables: features that the image's own stay near; '' = none"),
    "chunk": CHUNK,
    **size(768, 2, 4),
}

check = region_parts.check
