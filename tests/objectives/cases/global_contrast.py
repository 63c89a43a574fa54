"""What makes the objective small: sixteen records, each with a temperature of its own, one of them twice."""

import numpy as np

SETTINGS = {"records": 16, "rule": "v2", "rate_epochs": 0, "rho": 1.5, "chunk": 4}


def fields(dice, count):
    """Numbers of records; the first comes again."""
    numbers = dice.permutation(16)[:count].astype(np.int32)
    numbers[-1] = numbers[0]
    return {"record_number": numbers}
