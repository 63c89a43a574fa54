"""What makes the objective small: labels with two descriptions or one, two queries at a time, stored features."""

import numpy as np

from vlp.given import Context

SETTINGS = {"width": 8, "depth": 1, "heads": 2, "mlp_dim": 16, "most": 2, "chunk": 2, "stored": "stored"}
IMAGE = {"patch_dropout": 0.0}
CONTEXT = Context.from_dict({"texts": {"tags": (5, 3)}, "labels": {"tags": 3}})
_DICE = np.random.default_rng(3)
GIVEN = {
    "texts/tags": {
        "ids": _DICE.integers(4, 50, (5, 6), dtype=np.int32),
        "mask": np.arange(6) < _DICE.integers(2, 7, (5, 1)),
        "label": np.array([0, 0, 1, 2, 2], np.int32),
        "first": np.array([0, 2, 3], np.int32),
    },
}


def fields(dice, count):
    """Yes, no and unknown, and features."""
    stored = dice.normal(size=(count, 16)).astype(np.float32)
    return {"tags": dice.integers(-1, 2, (count, 3), dtype=np.int8), "stored": stored}
