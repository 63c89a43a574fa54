"""Images for an image and a text that changes it, by prompts that both make for the text tower: SPRC."""

from __future__ import annotations

from typing import Any

from configs.settings.kernels import CHUNK
from configs.settings.setting import Setting, count, natural, not_negative, positive
from configs.settings.soft_tokens import check_room

CLASS = "vlp.objectives.sentence_prompts:SentencePromptRetrieval"
ASKS = {"text": "soft_tokens"}

SETTINGS = {
    "image_view": Setting("image", "batch field of bags of two images: a reference and what is asked for"),
    "labels": Setting("changes", "an entry of data.labels: what tells two images apart"),
    "texts": Setting("changes", "an entry of data.texts: how a change is asked for; of the same labels"),
    "prompts": count(32, "soft tokens before a text"),
    "temperature": positive(0.07, "learned, at first"),
    "free_weight": not_negative(0.4, "of the contrast by prompts that see no image"),
    "align_weight": not_negative(0.4, "of the mean prompt's distance from the mean of those"),
    "chunk": CHUNK,
    "size": Setting("S", "of the queries: Ti ... So400m; '' = by the four numbers below"),
    "width": natural(0, "of the queries"),
    "depth": natural(0, "their blocks"),
    "heads": natural(0, "of their attentions"),
    "mlp_dim": natural(0, "hidden units of a block"),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that batches are bags of two, and that texts have room for the prompts."""
    if not entry.weight:
        return
    sampler = config.data.sampler
    if sampler.kind != "bags" or sampler.each != 2:
        raise ValueError(
            f"{where} takes an image and another that differs: set data.sampler.kind='bags' and data.sampler.each=2, "
            f"not '{sampler.kind}' and {sampler.each}"
        )
    check_room(entry.prompts, config, f"{where}.prompts")
