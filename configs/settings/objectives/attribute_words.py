"""Words of a caption that are hidden, and told from the others and the image: PLIP's attributes."""

from __future__ import annotations

from configs.settings.setting import Setting, count, positive_share

CLASS = "vlp.objectives.attribute_words:AttributeWords"
ASKS = {"text": "soft_tokens"}

SETTINGS = {
    "image_view": Setting("image", "batch field of images"),
    "words": Setting("attributes", "an entry of data.texts: words whose tokens may be hidden"),
    "share": positive_share(0.8, "of them that are; not verified"),
    "depth": count(2, "blocks between the text tower and the scores; not verified"),
    "heads": count(4, "of their attentions"),
}
