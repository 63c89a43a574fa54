"""What makes the objective small, and stored rows."""

import numpy as np

SETTINGS = {"width": 12, "hidden_width": 8, "chunk": 3}


def fields(dice, count):
    """Rows of any length."""
    return {"described": dice.normal(size=(count, 12)).astype(np.float32)}
