"""What a job needs to be there, and what it does not."""

from __future__ import annotations

import pytest
from ml_collections import ConfigDict
from test_validation import config

from vlp.configuration import ConfigError, validate

__all__ = ["config"]


def test_a_job_needs_only_what_it_says(config: ConfigDict) -> None:
    config.objectives.contrastive.weight = 0.0
    config.data.sources.quickstart.path = "nowhere"
    config.tokenizer.path = "nowhere"
    validate(config, needs=("evaluation",))
    with pytest.raises(ConfigError, match="nowhere"):
        validate(config, needs=("sources",))


def test_evaluation_sets_that_nobody_uses_may_be_missing(config: ConfigDict) -> None:
    for evaluator in config.evaluators.values():
        evaluator.sets = ("val",)
    config.data.evaluation.test.path = "nowhere"
    validate(config)
