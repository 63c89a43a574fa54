"""Attributes of images and regions that few have looked at: OvarNet."""

from __future__ import annotations

from configs.settings import region_parts
from configs.settings.region_parts import HEAD, IMAGE_VIEW
from configs.settings.setting import Setting, not_negative, positive

CLASS = "vlp.objectives.federated_tags:FederatedTags"

SETTINGS = {
    "labels": Setting("tags", "an entry of data.labels: yes, no and unknown"),
    "texts": Setting("tags", "an entry of data.texts, of the same labels"),
    "categories": Setting("classes", "an entry of data.texts: what regions are told by, beside these"),
    "image_view": IMAGE_VIEW,
    "unknown_weight": not_negative(0.1, "of what nobody knows, as denied"),
    "rarity": Setting(True, "labels weigh by their counts, to the power -0.2"),
    "distil_weight": not_negative(0.0, "of what regions learn from crops; 0 = no regions"),
    "scale": positive(10.0, "of cosines, at first"),
    "bias": Setting(-4.0, "added to them, at first"),
    **HEAD,
}

check = region_parts.check
