"""Evaluate a checkpoint, or with --source what --job=embed left; evaluators are those of --config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import vlp
from vlp.configuration import ConfigError, validate
from vlp.evaluation import build_evaluators, chance_levels, evaluate, find, results_table
from vlp.evaluation.cache import RememberingEncoder
from vlp.jobs import JobOptions
from vlp.jobs._data import EvaluationSets
from vlp.jobs._dump import DumpedSets
from vlp.jobs._page import write_page
from vlp.jobs._startup import configuring, use_compilation_cache
from vlp.training.writers import write_results

NEEDS = ()  # of embeddings at --source, the images need not be there


def run(options: JobOptions) -> int:
    """Loads, evaluates, prints the table and writes it.

    Raises:
      ConfigError: no checkpoint is named, or it holds no intact model, or no evaluator is on.
    """
    use_compilation_cache()
    with configuring():
        model, config, sets = _evaluated(options)
        evaluators = build_evaluators(config.evaluators, sets)
    if not evaluators:
        raise ConfigError(
            "no evaluator is on: give one a period or final=true, as --config.evaluators.retrieval.final=true"
        )
    remembering = RememberingEncoder(model)
    with configuring():
        results = evaluate(evaluators, remembering)
    output = Path(options.output or options.workdir / "evaluation.json")
    output.parent.mkdir(parents=True, exist_ok=True)
    write_results(output, results)
    print(results_table(results, chance_levels(evaluators)))
    page = write_page(
        output,
        f"Evaluation of {config.name if options.source else model.config.name}",
        {**_origin(options), "evaluators": ", ".join(one.name for one in evaluators)},
        find(evaluators, remembering, results),
    )
    print(f"\nfigures: {output}   to look at: {page}")
    return 0


def _evaluated(options: JobOptions) -> tuple[Any, Any, Any]:
    """What encodes, the config with the evaluators, and the sets they run on."""
    if options.source:
        dump = DumpedSets(Path(options.source))
        return dump, options.config, dump
    if not options.checkpoint:
        raise ConfigError(
            "--job=evaluate needs --checkpoint=PATH: a workdir, its checkpoints, or one step's folder; or "
            "--source=FOLDER: what --job=embed left"
        )
    validate(options.config, ("evaluation",))
    model = vlp.load(options.checkpoint)
    config = options.config if options.config_argument else model.config
    return model, config, EvaluationSets(config, model.preprocessing)


def _origin(options: JobOptions) -> dict[str, str]:
    return {"embeddings": options.source} if options.source else {"checkpoint": options.checkpoint}
