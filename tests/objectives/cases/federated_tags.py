"""What makes the objective small: attributes of images, categories beside them, and regions that learn from crops."""

from small_inputs import names, regions, states

from vlp.given import Context

SETTINGS = {"samples": 2, "hidden": 8, "distil_weight": 1.0}
IMAGE = {"patch_dropout": 0.0}
CONTEXT = Context.from_dict({"texts": {"tags": (5, 3), "classes": (5, 3)}, "labels": {"tags": 3}})
GIVEN = {"texts/tags": names(), "texts/classes": names()}


def fields(dice, count):
    """Boxes, and yes, no and unknown."""
    return {**regions(dice, count), "tags": states(dice, count)}
