"""What makes the objective small: regions whose texts are stretches of captions."""

import numpy as np

SETTINGS = {"samples": 2, "hidden": 8}
IMAGE = {"patch_dropout": 0.0}


def fields(dice, count):
    """Boxes, and the words of a caption, one by one."""
    start = dice.random((count, 3, 2)) * 0.5
    boxes = np.concatenate([start, start + 0.3 + 0.2 * dice.random((count, 3, 2))], axis=2)
    there = np.arange(3) < dice.integers(1, 4, (count, 1))
    caption = dice.integers(4, 50, (count, 6), dtype=np.int32)
    texts = np.stack([np.roll(caption, -place, axis=1) for place in (0, 1, 2)], axis=1)
    mask = np.broadcast_to(np.arange(6) < 3, texts.shape)
    return {
        "region_boxes": (boxes * there[..., None]).astype(np.float32),
        "region_mask": there,
        "region_text": texts,
        "region_text_mask": np.array(mask),
        "text": caption,
        "text_mask": np.ones((count, 6), bool),
    }
