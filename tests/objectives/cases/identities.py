"""What makes the objective small."""

import numpy as np

SETTINGS = {"classify_weight": 0.5, "classes": 5}


def fields(dice, count):
    """Identities, of which several images are."""
    numbers = dice.integers(-1, 5, count, dtype=np.int32)
    return {"entity_id": numbers, "group_id": np.stack([numbers, numbers], axis=1)}
