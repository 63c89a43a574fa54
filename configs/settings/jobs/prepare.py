"""--job=prepare."""

from __future__ import annotations

from configs.settings.setting import Setting, count, natural

SETTINGS = {
    "max_side": Setting(
        512, "pixels of the longer side; larger images are scaled down", at_least=1, at_most=65_500
    ),
    "quality": Setting(90, "of the JPEGs that are written", at_least=1, at_most=100),
    "duplicate_tolerance": Setting(
        16, "of 255 levels, between thumbnails of near-duplicates; -1 = keep them", at_least=-1, at_most=255
    ),
    "records_per_shard": count(4096, "records of a shard"),
    "processes": natural(0, "0 = one for each core"),
}
