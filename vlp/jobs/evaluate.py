"""Evaluate a checkpoint: its own evaluators, or those of a config given with --config."""

from __future__ import annotations

from pathlib import Path

import vlp
from vlp.configuration import ConfigError
from vlp.evaluation import build_evaluators, chance_levels, evaluate, find, results_table
from vlp.evaluation.cache import RememberingEncoder
from vlp.jobs import JobOptions
from vlp.jobs._data import EvaluationSets
from vlp.jobs._page import write_page
from vlp.jobs._startup import configuring, use_compilation_cache
from vlp.training.writers import write_results

NEEDS = ("evaluation",)


def run(options: JobOptions) -> int:
    """Loads, evaluates, prints the table and writes it.

    Raises:
      ConfigError: no checkpoint is named, or it holds no intact model, or no evaluator is on.
    """
    if not options.checkpoint:
        raise ConfigError(
            "--job=evaluate needs --checkpoint=PATH: a workdir, its checkpoints, or one step's folder"
        )
    use_compilation_cache()
    with configuring():
        model = vlp.load(options.checkpoint)
        config = options.config if options.config_argument else model.config
        evaluators = build_evaluators(config.evaluators, EvaluationSets(config, model.preprocessing))
    if not evaluators:
        raise ConfigError(
            "no evaluator is on: give one a period or final=true, as --config.evaluators.retrieval.final=true"
        )
    remembering = RememberingEncoder(model)
    results = evaluate(evaluators, remembering)
    output = Path(options.output or options.workdir / "evaluation.json")
    output.parent.mkdir(parents=True, exist_ok=True)
    write_results(output, results)
    print(results_table(results, chance_levels(evaluators)))
    page = write_page(
        output,
        f"Evaluation of {model.config.name}",
        {"checkpoint": options.checkpoint, "evaluators": ", ".join(one.name for one in evaluators)},
        find(evaluators, remembering, results),
    )
    print(f"\nfigures: {output}   to look at: {page}")
    return 0
