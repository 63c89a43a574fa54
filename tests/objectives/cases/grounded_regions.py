"""What makes the objective small: five queries for up to three regions, three rows at a time."""

import numpy as np

SETTINGS = {"width": 8, "depth": 1, "heads": 2, "mlp_dim": 16, "queries": 5, "chunk": 3}
IMAGE = {"patch_dropout": 0.0}


def fields(dice, count):
    """Boxes and their texts."""
    start = dice.random((count, 3, 2)) * 0.5
    boxes = np.concatenate([start, start + 0.3 + 0.2 * dice.random((count, 3, 2))], axis=2)
    there = np.arange(3) < dice.integers(1, 4, (count, 1))
    texts = dice.integers(4, 50, (count, 3, 6), dtype=np.int32)
    mask = np.arange(6) < np.where(there, dice.integers(3, 7, (count, 3)), 1)[..., None]
    return {
        "region_boxes": (boxes * there[..., None]).astype(np.float32),
        "region_mask": there,
        "region_text": texts,
        "region_text_mask": mask,
    }
