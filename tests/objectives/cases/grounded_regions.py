"""What makes the objective small: five queries for up to three regions, three rows at a time."""

from small_inputs import region_texts, regions

SETTINGS = {"width": 8, "depth": 1, "heads": 2, "mlp_dim": 16, "queries": 5, "chunk": 3}
IMAGE = {"patch_dropout": 0.0}


def fields(dice, count):
    """Boxes and their texts."""
    boxes = regions(dice, count)
    return boxes | region_texts(dice, boxes["region_mask"])
