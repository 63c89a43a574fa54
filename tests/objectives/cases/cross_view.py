"""What makes the objective small, and hides eight of sixteen patches."""

SETTINGS = {"share": 0.5, "width": 16, "depth": 1, "heads": 2, "mlp_dim": 32}


def fields(dice, count):
    """Two views of each image."""
    return {"pair": dice.integers(0, 256, (count, 2, 16, 16, 3), dtype="uint8")}
