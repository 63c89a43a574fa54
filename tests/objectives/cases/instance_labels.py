"""What makes the objective small: half of the images in negative bags."""

import numpy as np

SETTINGS = {"records": 20, "size": 16, "hidden_width": 16, "width": 8, "memory_steps": 10}
SETTINGS |= {"bag_weight": 0.5, "bag_count": 5, "chunk": 3}


def fields(dice, count):
    """Places and bags."""
    places = dice.permutation(20)[:count].astype(np.int32)
    bags = np.arange(count) % 4
    return {"place": places, "bag": bags.astype(np.int32), "bag_positive": (bags % 2).astype(np.int32)}
