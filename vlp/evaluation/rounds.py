"""One round of evaluation: which evaluators are due, their figures, and chance beside them."""

from __future__ import annotations

from collections.abc import Iterable

from vlp.evaluation.cache import RememberingEncoder
from vlp.evaluation.protocols import Encoder, Evaluator


def due(evaluators: Iterable[Evaluator], step: int, *, last: bool = False) -> list[Evaluator]:
    """Evaluators to run after `step` updates: whose period divides it, and after the last the final."""
    return [one for one in evaluators if (one.every and step % one.every == 0) or (last and one.final)]


def evaluate(evaluators: Iterable[Evaluator], model: Encoder) -> dict[str, float]:
    """Figures of all evaluators, sharing embeddings: no image and no text is encoded twice in the round."""
    shared = RememberingEncoder(model)
    return {name: value for one in evaluators for name, value in one(shared).items()}


def chance_levels(evaluators: Iterable[Evaluator]) -> dict[str, float]:
    """What a model that knows nothing reaches on each figure of `evaluate`; needs no model."""
    return {name: value for one in evaluators for name, value in one.chance().items()}
