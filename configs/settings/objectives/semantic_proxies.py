"""Images against proxies of their classes, which prompts of each class make of its own images: VPTSP-G."""

from __future__ import annotations

from typing import Any

from configs.settings.kernels import CHUNK
from configs.settings.setting import Setting, count, positive, share

CLASS = "vlp.objectives.semantic_proxies:SemanticProxies"
ASKS = {"image": "layers"}

SETTINGS = {
    "labels": Setting("classes", "an entry of data.labels: the number of an image's class"),
    "image_view": Setting("image", "batch field of images"),
    "each": count(4, "images of a class that stand in a row: data.sampler.each"),
    "prompts": count(5, "tokens of each class"),
    "prompt_layers": count(3, "first layers of the tower that have them"),
    "bias_share": share(0.5, "of a proxy that is learned directly; the rest is remembered"),
    "axis": Setting(
        "anchor",
        "sums over the images of a class, or (nca) over the proxies of an image",
        choices=("anchor", "nca"),
    ),
    "proxies": Setting("batch", "those of the classes in the batch, or of all", choices=("batch", "all")),
    "scale": positive(32.0, "of cosines"),
    "positive_margin": Setting(0.1, "taken from the cosine of a class and its image"),
    "negative_margin": Setting(-0.1, "taken from the others"),
    "chunk": CHUNK,
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that batches put the images of a class in a row."""
    sampler = config.data.sampler
    if entry.weight and (sampler.kind != "classes" or sampler.each != entry.each):
        raise ValueError(
            f"{where}.each={entry.each} needs so many images of a class in a row: set data.sampler.kind='classes' and "
            f"data.sampler.each={entry.each}, not '{sampler.kind}' and {sampler.each}"
        )
