"""Retrieval of images by images."""

from __future__ import annotations

from configs.settings.setting import Setting

CLASS = "vlp.evaluation.retrieval.images:ImageRetrieval"

SETTINGS = {
    "relevant": Setting("label", "what an image shares with those it asks for", choices=("label", "group")),
}
