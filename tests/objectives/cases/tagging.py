"""What makes the objective small: three labels with five texts, of which an image has, lacks or may have each."""

from small_inputs import names, states

from vlp.given import Context

SETTINGS = {"kernel": "asymmetric_sigmoid"}
CONTEXT = Context.from_dict({"texts": {"tags": (5, 3)}, "labels": {"tags": 3, "more": 4}})
GIVEN = {"texts/tags": names()}


def fields(dice, count):
    """Yes, no and unknown."""
    return {"tags": states(dice, count)}
