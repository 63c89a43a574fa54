"""What makes the objective small: regions whose texts are stretches of captions."""

import numpy as np
from small_inputs import regions

SETTINGS = {"samples": 2, "hidden": 8}
IMAGE = {"patch_dropout": 0.0}


def fields(dice, count):
    """Boxes, and the words of a caption, one by one."""
    caption = dice.integers(4, 50, (count, 6), dtype=np.int32)
    texts = np.stack([np.roll(caption, -place, axis=1) for place in (0, 1, 2)], axis=1)
    mask = np.broadcast_to(np.arange(6) < 3, texts.shape)
    return {
        **regions(dice, count),
        "region_text": texts,
        "region_text_mask": np.array(mask),
        "text": caption,
        "text_mask": np.ones((count, 6), bool),
    }
