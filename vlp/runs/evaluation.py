"""Evaluation of a model outside a run: for the job and for `vlp.evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlp.configuration import ConfigError
from vlp.evaluation import Evaluator, build_evaluators
from vlp.model import Model
from vlp.runs.startup import configuring


def open_evaluators(settings: Mapping[str, Any], sets: Mapping[str, Any], model: Any) -> list[Evaluator]:
    """Builds the evaluators that are on, and sees that the model has what they read.

    Args:
      settings: `evaluators` of the config.
      sets: those of the config, or embeddings that stand for them.
      model: a model, or embeddings.

    Raises:
      ConfigError: none is on, or one does not fit the sets or the model.
    """
    with configuring():
        evaluators = build_evaluators(settings, sets)
        if isinstance(model, Model):
            for one in evaluators:
                model.require(sorted(one.towers(settings[one.name])), f"evaluators.{one.name}")
    if not evaluators:
        raise ConfigError(
            "no evaluator is on: give one a period or final=true, as --config.evaluators.retrieval.final=true"
        )
    return evaluators
