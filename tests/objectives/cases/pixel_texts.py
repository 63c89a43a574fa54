"""What makes the objective small: three classes of overlapping regions, some of which have none."""

import numpy as np

from vlp.given import Context

SETTINGS = {"width": 8, "depth": 1, "heads": 2, "mlp_dim": 16}
IMAGE = {"patch_dropout": 0.0}
CONTEXT = Context.from_dict({"texts": {"classes": (5, 3)}, "labels": {"classes": 3}})
_DICE = np.random.default_rng(3)
GIVEN = {
    "texts/classes": {
        "ids": _DICE.integers(4, 50, (5, 6), dtype=np.int32),
        "mask": np.arange(6) < _DICE.integers(2, 7, (5, 1)),
        "label": np.array([0, 0, 1, 2, 2], np.int32),
        "first": np.array([0, 2, 3], np.int32),
    },
}


def fields(dice, count):
    """Boxes and their classes."""
    start = dice.random((count, 3, 2)) * 0.5
    boxes = np.concatenate([start, start + 0.3 + 0.2 * dice.random((count, 3, 2))], axis=2)
    there = np.arange(3) < dice.integers(1, 4, (count, 1))
    labels = dice.integers(-1, 3, (count, 3))
    states = (np.arange(3) == labels[..., None]).astype(np.int8)
    return {
        "region_boxes": (boxes * there[..., None]).astype(np.float32),
        "region_mask": there,
        "region_classes": states,
    }
