"""What makes the objective small: labels with two descriptions or one, two queries at a time, stored features."""

import numpy as np
from small_inputs import names, states

from vlp.given import Context

SETTINGS = {"width": 8, "depth": 1, "heads": 2, "mlp_dim": 16, "most": 2, "chunk": 2, "stored": "stored"}
IMAGE = {"patch_dropout": 0.0}
CONTEXT = Context.from_dict({"texts": {"tags": (5, 3)}, "labels": {"tags": 3}})
GIVEN = {"texts/tags": names()}


def fields(dice, count):
    """Yes, no and unknown, and features."""
    return {"tags": states(dice, count), "stored": dice.normal(size=(count, 16)).astype(np.float32)}
