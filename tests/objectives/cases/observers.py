"""What makes the objective small: two observers of three labels."""

from small_inputs import names, states

from vlp.given import Context

SETTINGS = {"observers": ("tags", "others")}
CONTEXT = Context.from_dict({"texts": {"tags": (5, 3)}, "labels": {"tags": 3, "others": 3}})
GIVEN = {"texts/tags": names()}


def fields(dice, count):
    """Yes, no and unknown, twice."""
    return {name: states(dice, count) for name in ("tags", "others")}
