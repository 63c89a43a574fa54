"""What makes the objective small: three classes of overlapping regions, some of which have none."""

from small_inputs import names, region_classes, regions

from vlp.given import Context

SETTINGS = {"width": 8, "depth": 1, "heads": 2, "mlp_dim": 16}
IMAGE = {"patch_dropout": 0.0}
CONTEXT = Context.from_dict({"texts": {"classes": (5, 3)}, "labels": {"classes": 3}})
GIVEN = {"texts/classes": names()}


def fields(dice, count):
    """Boxes and their classes."""
    return regions(dice, count) | region_classes(dice, count)
