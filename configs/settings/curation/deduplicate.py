"""One of images that look alike by their difference hash, in each group: Less is More."""

from __future__ import annotations

from configs.settings.setting import Setting

CLASS = "input_pipeline.curation.deduplicate:Deduplicate"

SETTINGS = {
    "group": Setting("", "compared within it: group, label, source or one of columns.extras; '' = all"),
    "distance": Setting(6, "of 64 bits, in which near-duplicates differ at most", at_least=0, at_most=63),
}
