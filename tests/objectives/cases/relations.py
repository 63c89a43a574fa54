"""What makes the objective small: up to three regions, six pairs."""

import numpy as np

from vlp.given import Context

SETTINGS = {"samples": 2, "hidden": 8}
IMAGE = {"patch_dropout": 0.0}
CONTEXT = Context.from_dict({"texts": {"predicates": (8, 8)}})
_DICE = np.random.default_rng(3)
GIVEN = {
    "texts/predicates": {
        "ids": _DICE.integers(4, 50, (8, 6), dtype=np.int32),
        "mask": np.arange(6) < _DICE.integers(2, 7, (8, 1)),
        "label": np.array([0, 1, 2, 3, 4, 5, 6, 7], np.int32),
        "first": np.array([0, 1, 2, 3, 4, 5, 6, 7], np.int32),
    },
}


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
