"""One of images whose embeddings are near each other, in each group: Less is More by features."""

from __future__ import annotations

from configs.settings.setting import Setting

CLASS = "vlp.curation.near_images:NearImages"

SETTINGS = {
    "embeddings": Setting("", "folder of --job=embed; '' = curate.embeddings"),
    "group": Setting("", "compared within it: group, label, source or one of columns.extras; '' = all"),
    "distance": Setting(0.05, "1 less the cosine, below which images are near", above=0.0, at_most=2.0),
}
