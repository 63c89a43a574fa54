"""--job=cluster."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting, count, natural

SETTINGS = {
    "k": count(1000, "clusters"),
    "iterations": count(20, "of k-means"),
    "init": Setting("kmeans++", "first centres", choices=("kmeans++", "random")),
    "spherical": Setting(True, "centres of length 1: nearest means of the highest cosine"),
    "nearest": count(8, "clusters each record is given"),
    "feature": Setting(
        "image", "what is clustered; mean = the unit mean of both", choices=("image", "text", "mean")
    ),
    "seed": natural(0, "of the first centres"),
    "chunk_points": count(65536, "records on all devices at a time"),
    "chunk_centres": count(2048, "centres whose scores a device holds at a time"),
    "write_embeddings": Setting(False, "also as a side table"),
}


def check(cluster: Any, config: Any, where: str) -> None:
    """Checks that a record has no more nearest clusters than there are."""
    if cluster.nearest > cluster.k:
        raise ValueError(
            f"{where}.nearest={cluster.nearest} is more than {where}.k={cluster.k}: lower it or raise k"
        )
