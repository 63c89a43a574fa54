"""The objectives: each a scorer, a target rule and a kernel; `configs/settings/objectives` names the kinds."""

from __future__ import annotations

import inspect
from typing import Any

from jaxtyping import PRNGKeyArray

from vlp.configuration.parts import find_part
from vlp.given import Context
from vlp.models.dual_encoder import DualEncoder
from vlp.objectives.base import Objective
from vlp.randomness import named_rngs


def active_objectives(
    config: Any, model: DualEncoder, key: PRNGKeyArray, context: Context
) -> dict[str, Objective]:
    """Builds the objectives whose weight is not zero, each with initial values of its own.

    Args:
      config: `objectives` of the config: name to settings with a `weight` and a `kind`.
      model: the towers.
      key: folded in by name, so that one objective's presence never changes another's initial values.
      context: what there is beside the batches, for objectives that ask for it.
    """
    return {
        name: _build(
            find_part("objectives", settings.kind, f"objectives.{name}").load(),
            settings,
            context,
            model=model,
            rngs=named_rngs(key, f"objectives/{name}"),
        )
        for name, settings in sorted(config.items())
        if settings.weight != 0.0
    }


def _build(kind: Any, settings: Any, context: Context, **arguments: Any) -> Objective:
    if "context" in inspect.signature(kind.__init__).parameters:
        arguments["context"] = context
    objective: Objective = kind(settings, **arguments)
    return objective
