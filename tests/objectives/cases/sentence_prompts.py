"""What makes the objective small: pairs of images with some of three tags, each with a text or two."""

import numpy as np

from vlp.given import Context

SETTINGS = {"size": "", "width": 16, "depth": 1, "heads": 2, "mlp_dim": 32, "prompts": 2}
CONTEXT = Context.from_dict({"texts": {"changes": (4, 3)}, "labels": {"changes": 3, "more": 4}})
_DICE = np.random.default_rng(3)
GIVEN = {
    "texts/changes": {
        "ids": _DICE.integers(4, 50, (4, 6), dtype=np.int32),
        "mask": np.arange(6) < _DICE.integers(2, 7, (4, 1)),
        "label": np.array([0, 0, 1, 2], np.int32),
        "first": np.array([0, 2, 3], np.int32),
    }
}


def fields(dice, count):
    """Pairs, of which one differs in nothing."""
    states = dice.integers(0, 2, (count, 2, 3), dtype=np.int8)
    states[0, 1] = states[0, 0]
    images = dice.integers(0, 256, (count, 2, 16, 16, 3), dtype=np.uint8)
    return {"image": images, "changes": states}
