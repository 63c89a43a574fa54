"""Evaluators: figures that do not depend on batch size, padding or host.

Nothing here imports the input pipeline, and of jax only `search`, probes and clusterings know, the latter each process
alone: an evaluator sees a model through `Encoder` and a data set through `EvaluationSet`.

Several hosts: every host builds the same evaluators over the same whole sets and runs them in the same
order, because the model's encode methods may be collective. All arithmetic after them is numpy on equal
arrays, so every host holds equal figures, and only process 0 has to write them down.
"""

from __future__ import annotations

from vlp.evaluation.protocols import Encoder, EvaluationSet, Evaluator
from vlp.evaluation.registry import build_evaluators, required_sets
from vlp.evaluation.report import results_markdown, results_table
from vlp.evaluation.rounds import Findings, chance_levels, check, due, evaluate, find

__all__ = [
    "Encoder",
    "EvaluationSet",
    "Evaluator",
    "Findings",
    "build_evaluators",
    "chance_levels",
    "check",
    "due",
    "evaluate",
    "find",
    "required_sets",
    "results_markdown",
    "results_table",
]
