"""Evaluate a checkpoint, or with --source what --job=embed left; evaluators are those of --config."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jax

import vlp
from vlp.checkpoint import is_step
from vlp.configuration import ConfigError, validate
from vlp.embeddings.sets import DumpedSets
from vlp.evaluation import build_evaluators, evaluate, find, results_table
from vlp.evaluation.cache import RememberingEncoder
from vlp.evaluation.comparison.runs import EVALUATIONS
from vlp.evaluation.page.files import write_page
from vlp.jobs import JobOptions
from vlp.jobs._place import place_of
from vlp.parallel.mesh import data_mesh
from vlp.processes.join import join
from vlp.runs.data import EvaluationSets
from vlp.runs.startup import configuring, use_compilation_cache
from vlp.training.writers import write_results

NEEDS = ()  # of embeddings at --source, the images need not be there


def run(options: JobOptions) -> int:
    """Loads, evaluates, prints the table and writes it; of several processes all encode and the first one writes.

    Raises:
      ConfigError: no checkpoint is named, or it holds no intact model, or no evaluator is on, or the figures cannot
        be written where they belong.
    """
    use_compilation_cache()
    with configuring():
        join(options.config.distributed)
        model, config, sets = _evaluated(options)
        evaluators = build_evaluators(config.evaluators, sets)
    if not evaluators:
        raise ConfigError(
            "no evaluator is on: give one a period or final=true, as --config.evaluators.retrieval.final=true"
        )
    output = _output(options, config.name)
    remembering = RememberingEncoder(model)
    with configuring():
        results = evaluate(evaluators, remembering)
    findings = find(evaluators, remembering, results)
    if jax.process_index():
        return 0
    write_results(output, results)
    print(results_table(results, findings.chance))
    page = write_page(
        output,
        f"Evaluation of {config.name if options.source else model.config.name}",
        {**_origin(options), "evaluators": ", ".join(one.name for one in evaluators)},
        findings,
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
    model = vlp.load(options.checkpoint, mesh=data_mesh())
    config = options.config if options.config_argument else model.config
    return model, config, EvaluationSets(config, model.preprocessing)


def _output(options: JobOptions, name: str) -> Path:
    """The file of figures: --output, or beside what is evaluated. Tried before the work and not after it."""
    step = Path(options.checkpoint).name if options.checkpoint and is_step(Path(options.checkpoint)) else ""
    file = f"{name}-{step}.json" if step else f"{name}.json"
    if options.output and not options.output.endswith(".json"):
        raise ConfigError(
            f"--output={options.output}: name the file of figures, such as {file}; a page and the outcomes of queries "
            "go beside it"
        )
    place = Path(options.source) if options.source and not options.workdir_argument else place_of(options)
    output = Path(options.output) if options.output else place / EVALUATIONS / file
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{output.parent} cannot be made ({error.strerror}): say where with --output"
        ) from error
    if not os.access(output.parent, os.W_OK):
        raise ConfigError(f"{output.parent} cannot be written to: say where with --output=PATH/{file}")
    return output


def _origin(options: JobOptions) -> dict[str, str]:
    return {"embeddings": options.source} if options.source else {"checkpoint": options.checkpoint}
