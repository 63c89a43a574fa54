"""One round of evaluation: which evaluators are due, their figures, and chance beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from vlp.evaluation.cache import RememberingEncoder
from vlp.evaluation.exhibits import Exhibit
from vlp.evaluation.protocols import Encoder, Evaluator
from vlp.evaluation.texts.prompt_sets import known_prompt_sets

NAMED = "named"  # the prompt set of models that have learned what stands around names


@dataclass(frozen=True)
class Findings:
    """All that a round has to say.

    Attributes:
      figures: by name.
      chance: what a model that knows nothing reaches, under the same names.
      outcomes: the value of every query, for figures that are means over queries.
      exhibits: by the name of their evaluator.
      remarks: on how figures came about.
    """

    figures: Mapping[str, float]
    chance: Mapping[str, float]
    outcomes: Mapping[str, Float[np.ndarray, " queries"]]
    exhibits: Mapping[str, Sequence[Exhibit]]
    remarks: Sequence[str] = ()


def due(evaluators: Iterable[Evaluator], step: int, *, last: bool = False) -> list[Evaluator]:
    """Returns evaluators to run after `step` updates: whose period divides it, and after the last the final."""
    return [one for one in evaluators if (one.every and step % one.every == 0) or (last and one.final)]


def check(evaluators: Iterable[Evaluator]) -> None:
    """Refuses, before there is anything to evaluate, evaluators whose sets lack what they need.

    Sets that can show what is known of their images (`described`, as `vlp.runs.data.EvaluationSets` has it) are asked
    for that, so that no image is decoded.

    Raises:
      ValueError: names the evaluator's set, and what it lacks.
    """
    for one in evaluators:
        described = getattr(one.data, "described", None)
        (replace(one, data=described()) if described else one).check()  # type: ignore[type-var]


def evaluate(evaluators: Iterable[Evaluator], model: Encoder) -> dict[str, float]:
    """Measures all evaluators, sharing embeddings: no image and no text is encoded twice in the round."""
    shared = RememberingEncoder.around(model)
    return {name: value for one in evaluators for name, value in one(shared).items()}


def find(evaluators: Sequence[Evaluator], model: Encoder, figures: Mapping[str, float]) -> Findings:
    """Returns what is behind the figures of a round; a model that remembers the round's embeddings encodes little
    anew."""
    shared = RememberingEncoder.around(model)
    return Findings(
        figures,
        chance_levels(evaluators),
        {name: values for one in evaluators for name, values in one.outcomes(shared).items()},
        {one.name: list(one.exhibits(shared)) for one in evaluators},
        [remark for one in evaluators for remark in (*one.remarks(shared), *_two_contexts(one, shared))],
    )


def _two_contexts(evaluator: Evaluator, model: RememberingEncoder) -> list[str]:
    """Says that names are asked within words of a person and within what was learned in their place (CoOp)."""
    templates = getattr(evaluator, "templates", "")
    if not model.has_context or templates == NAMED or templates not in known_prompt_sets():
        return []
    return [
        f"{evaluator.name}/templates: the model has learned what stands around names, and templates={templates} puts "
        f"words of its own within that: templates={NAMED} asks as it was trained"
    ]


def chance_levels(evaluators: Iterable[Evaluator]) -> dict[str, float]:
    """Returns what a model that knows nothing reaches on each figure of `evaluate`; needs no model."""
    return {name: value for one in evaluators for name, value in one.chance().items()}
