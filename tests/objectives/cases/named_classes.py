"""What makes the objective small: three labels with five texts, and images that have one, several or none."""

import numpy as np
from small_inputs import names

from vlp.given import Context

SETTINGS = {"labels": "classes", "texts": "classes"}
CONTEXT = Context.from_dict({"texts": {"classes": (5, 3)}, "labels": {"classes": 3, "more": 4}})
GIVEN = {"texts/classes": names()}


def fields(dice, count):
    """Numbers of labels, -1 behind them."""
    return {"classes_ids": dice.integers(-1, 3, (count, 2), dtype=np.int32)}
