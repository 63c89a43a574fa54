"""Retrieval of captions and images behind one linear map of image embeddings."""

from __future__ import annotations

from configs.settings.evaluators.retrieval import check as check
from configs.settings.setting import Setting, positive

CLASS = "vlp.evaluation.retrieval.bridge:LinearBridge"

SETTINGS = {
    "sets": ("val",),
    "train_sets": Setting(("train",), "what the map is fitted on"),
    "k": Setting((1, 5, 10), "ranks up to which a hit counts"),
    "penalty": positive(1.0, "of the map's squared weights"),
    "texts": Setting("", "checkpoint whose text tower makes the space; '' = the evaluated model's own"),
    "features": Setting(
        "image",
        "what is mapped of an image: its embedding, or the mean of its patches'",
        choices=("image", "patches"),
    ),
}
