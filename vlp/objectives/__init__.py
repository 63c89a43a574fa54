"""The objectives: each a scorer, a target rule and a kernel; the registry names them all."""

from __future__ import annotations

from typing import Any

from jaxtyping import PRNGKeyArray

from vlp.models.dual_encoder import DualEncoder
from vlp.objectives.base import Objective
from vlp.objectives.contrastive import Contrastive
from vlp.objectives.discrimination import Discrimination
from vlp.objectives.grouping import Grouping
from vlp.objectives.prototypes import Prototypes
from vlp.objectives.ranking import Ranking
from vlp.objectives.self_distillation import SelfDistillation
from vlp.objectives.view_contrast import ViewContrast
from vlp.randomness import named_rngs

OBJECTIVES: dict[str, type[Objective]] = {
    "contrastive": Contrastive,
    "discrimination": Discrimination,
    "prototypes": Prototypes,
    "grouping": Grouping,
    "ranking": Ranking,
    "self_distillation": SelfDistillation,
    "view_contrast": ViewContrast,
}


def active_objectives(config: Any, model: DualEncoder, key: PRNGKeyArray) -> dict[str, Objective]:
    """Builds the objectives whose weight is not zero, each with initial values of its own.

    Args:
      config: `objectives` of the config: name to settings with a `weight`.
      model: the towers.
      key: folded in by name, so that one objective's presence never changes another's initial values.
    """
    return {
        name: OBJECTIVES[name](settings, model=model, rngs=named_rngs(key, f"objectives/{name}"))
        for name, settings in sorted(config.items())
        if settings.weight != 0.0
    }
