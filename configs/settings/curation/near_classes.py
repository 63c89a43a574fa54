"""Records in clusters that images of known classes are in: DataComp's image-based filter."""

from __future__ import annotations

from configs.settings.setting import Setting

CLASS = "vlp.curation.near_classes:NearClasses"

SETTINGS = {
    "embeddings": Setting("", "folder of --job=embed; '' = curate.embeddings"),
    "clusters": Setting("runs/clusters", "folder of --job=cluster, by the same checkpoint"),
    "classes": Setting("val_vendor", "set of images of known classes, whose embeddings are there as well"),
}
