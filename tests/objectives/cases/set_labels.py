"""What makes the objective small: sets of two, of which one has no label."""

import numpy as np

from vlp.given import Context

SETTINGS = {"each": 2, "width": 8, "chunk": 3}
CONTEXT = Context.from_dict({"labels": {"classes": 3}})


def fields(dice, count):
    """Labels, of which two are none."""
    labels = dice.integers(0, 3, (count, 1), dtype=np.int32)
    labels[2:4] = -1
    return {"classes_ids": labels}
