"""What makes the objective small: up to three regions, six pairs."""

from small_inputs import names, region_texts, regions

from vlp.given import Context

SETTINGS = {"samples": 2, "hidden": 8}
IMAGE = {"patch_dropout": 0.0}
CONTEXT = Context.from_dict({"texts": {"predicates": (8, 8)}})
GIVEN = {"texts/predicates": names(tuple(range(8)))}


def fields(dice, count):
    """Boxes and their texts."""
    boxes = regions(dice, count)
    return boxes | region_texts(dice, boxes["region_mask"])
