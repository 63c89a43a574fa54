"""One of images whose embeddings are near each other, in each cluster: SemDeDup."""

from __future__ import annotations

from configs.settings.setting import Setting

CLASS = "vlp.curation.semdedup:SemDeDup"

SETTINGS = {
    "embeddings": Setting("", "folder of --job=embed; '' = curate.embeddings"),
    "clusters": Setting("runs/clusters", "folder of --job=cluster, by the same checkpoint"),
    "distance": Setting(
        0.05, "the paper's epsilon: 1 less the cosine, below which images are near", above=0.0, at_most=2.0
    ),
    "keep": Setting(
        "far",
        "of those near each other, from the centre: the far one (the paper's), the near, or the first of the data",
        choices=("far", "near", "first"),
    ),
}
