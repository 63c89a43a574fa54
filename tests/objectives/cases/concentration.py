"""What makes the objective small: two verticals of three and four classes, and stored answers."""

import numpy as np

SETTINGS = {"sizes": (3, 4), "stored": "answers", "top": 2, "width": 5}


def fields(dice, count):
    """Probabilities, and the vertical of each image, which one has not."""
    verticals = dice.integers(0, 2, (count, 1), dtype=np.int32)
    verticals[0] = -1
    return {"answers": dice.random((count, 7), dtype=np.float32), "verticals_ids": verticals}
