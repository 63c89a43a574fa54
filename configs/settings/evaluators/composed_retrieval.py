"""Retrieval of images by an image and a text that changes it."""

from __future__ import annotations

from configs.settings.evaluators import PREFIX_TOKEN
from configs.settings.evaluators.retrieval import check as check
from configs.settings.setting import Setting, share

CLASS = "vlp.evaluation.retrieval.composed:ComposedRetrieval"

SETTINGS = {
    "k": Setting((1, 5, 10, 50), "ranks up to which a hit counts"),
    "queries": Setting("", "a file as of CIRR or FashionIQ; '' = made of labels and tags"),
    "rule": Setting("sum", "how image and text become one query", choices=("sum", "slerp")),
    "text_weight": share(0.5, "the rest is the image's"),
    "prefix_token": PREFIX_TOKEN,
    "composer": Setting("", "part of the model that makes queries of images and texts; '' = `rule` alone"),
}
