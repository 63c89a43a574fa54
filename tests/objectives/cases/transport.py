"""What makes the objective small: three labels, of which an image has, lacks or may have each."""

from small_inputs import names, states

from vlp.given import Context

SETTINGS = {"sharpness": 5.0}
IMAGE = {"patch_dropout": 0.0}
CONTEXT = Context.from_dict({"texts": {"tags": (5, 3)}, "labels": {"tags": 3}})
GIVEN = {"texts/tags": names()}


def fields(dice, count):
    """Yes, no and unknown."""
    return {"tags": states(dice, count)}
