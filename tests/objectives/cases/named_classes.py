"""What makes the objective small: three labels with five texts, and images that have one, several or none."""

import numpy as np

from vlp.given import Context

SETTINGS = {"labels": "classes", "texts": "classes"}
CONTEXT = Context.from_dict({"texts": {"classes": (5, 3)}, "labels": {"classes": 3, "more": 4}})
_DICE = np.random.default_rng(3)
GIVEN = {
    "texts/classes": {
        "ids": _DICE.integers(4, 50, (5, 6), dtype=np.int32),
        "mask": np.arange(6) < _DICE.integers(2, 7, (5, 1)),
        "label": np.array([0, 0, 1, 2, 2], np.int32),
        "first": np.array([0, 2, 3], np.int32),
    }
}


def fields(dice, count):
    """Numbers of labels, -1 behind them."""
    return {"classes_ids": dice.integers(-1, 3, (count, 2), dtype=np.int32)}
