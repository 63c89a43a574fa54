"""Words of a caption that are hidden, and told from the others and the image: PLIP's attributes."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting, count, positive_share

CLASS = "vlp.objectives.attribute_words:AttributeWords"

SETTINGS = {
    "image_view": Setting("image", "batch field of images"),
    "words": Setting("attributes", "an entry of data.texts: words whose tokens may be hidden"),
    "share": positive_share(0.8, "of them that are; not verified"),
    "depth": count(2, "blocks between the text tower and the scores; not verified"),
    "heads": count(4, "of their attentions"),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that the text tower takes vectors in the places of tokens."""
    text = config.model.text
    if entry.weight and (text.kind == "bag" or text.context):
        what = f"kind='{text.kind}'" if text.kind == "bag" else f"context={text.context}"
        raise ValueError(
            f"{where} hides tokens of a text tower of plain tokens, and model.text.{what} is none"
        )
