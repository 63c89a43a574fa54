"""What makes the objective small: attributes of images, categories beside them, and regions that learn from crops."""

import numpy as np

from vlp.given import Context

SETTINGS = {"samples": 2, "hidden": 8, "distil_weight": 1.0}
IMAGE = {"patch_dropout": 0.0}
CONTEXT = Context.from_dict({"texts": {"tags": (5, 3), "classes": (5, 3)}, "labels": {"tags": 3}})
_DICE = np.random.default_rng(3)
GIVEN = {
    "texts/tags": {
        "ids": _DICE.integers(4, 50, (5, 6), dtype=np.int32),
        "mask": np.arange(6) < _DICE.integers(2, 7, (5, 1)),
        "label": np.array([0, 0, 1, 2, 2], np.int32),
        "first": np.array([0, 2, 3], np.int32),
    },
    "texts/classes": {
        "ids": _DICE.integers(4, 50, (5, 6), dtype=np.int32),
        "mask": np.arange(6) < _DICE.integers(2, 7, (5, 1)),
        "label": np.array([0, 0, 1, 2, 2], np.int32),
        "first": np.array([0, 2, 3], np.int32),
    },
}


def fields(dice, count):
    """Boxes, and yes, no and unknown."""
    start = dice.random((count, 3, 2)) * 0.5
    boxes = np.concatenate([start, start + 0.3 + 0.2 * dice.random((count, 3, 2))], axis=2)
    there = np.arange(3) < dice.integers(1, 4, (count, 1))
    tags = dice.integers(-1, 2, (count, 3), dtype=np.int8)
    return {"region_boxes": (boxes * there[..., None]).astype(np.float32), "region_mask": there, "tags": tags}
