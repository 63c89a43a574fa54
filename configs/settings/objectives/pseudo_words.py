"""Images as words of a sentence, which a small tower makes for a large model that is held: ISA."""

from __future__ import annotations

from typing import Any

from configs.settings.kernels import CHUNK
from configs.settings.model import IMAGE
from configs.settings.setting import Setting, count, not_negative, positive
from configs.settings.soft_tokens import check_room

CLASS = "vlp.objectives.pseudo_words:PseudoWordDistillation"
ASKS = {"text": "soft_tokens"}

SETTINGS = {
    "image_view": Setting("image", "batch field of images"),
    "texts": Setting("sentence", "an entry of data.texts: its first text is what the words stand before"),
    "words": count(4, "that an image becomes"),
    "temperature": positive(0.07, "of the sentences' similarities; not verified"),
    "teacher_temperature": positive(0.07, "of the large tower's own; not verified"),
    "align_weight": not_negative(1.0, "of the distance from the large tower's embedding; not verified"),
    "tower": IMAGE,
    "chunk": CHUNK,
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that the small tower reads the images that there are, and that texts have room for the words."""
    if not entry.weight:
        return
    own, there = entry.tower.resolution, config.model.image.resolution
    if own != there:
        raise ValueError(
            f"{where}.tower.resolution={own} must be that of the images, model.image.resolution={there}"
        )
    check_room(entry.words, config, f"{where}.words")
