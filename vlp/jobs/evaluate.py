"""Evaluate a checkpoint, or with --source what --job=embed left; evaluators are those of --config."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from input_pipeline.addresses import is_address, redacted
from input_pipeline.buckets import in_bucket
from vlp.checkpoint import is_step
from vlp.configuration import ConfigError
from vlp.evaluation import check, evaluate, find, results_table
from vlp.evaluation.cache import RememberingEncoder
from vlp.evaluation.comparison.runs import EVALUATIONS
from vlp.evaluation.page.files import write_page
from vlp.evaluation.provenance import PROVENANCE, in_words, left_out, provenance
from vlp.jobs import JobOptions
from vlp.jobs._evaluated import Evaluated, evaluated
from vlp.jobs._outputs import require_writable
from vlp.jobs._place import place_of
from vlp.processes.home import run_at
from vlp.processes.join import join
from vlp.runs.evaluation import open_evaluators
from vlp.runs.startup import configuring, use_compilation_cache
from vlp.training.writers import write_results

NEEDS = ()  # of embeddings at --source, the images need not be there
TAKES = ("checkpoint", "source")
WRITES = ("file", "workdir")
READS_MODEL = True

LONGEST, MOST = 60, 1000  # letters of sets in a file's name; evaluations of one name


def run(options: JobOptions) -> int:
    """Loads, evaluates, prints the table and writes it; of several processes all encode and the first one writes.

    Raises:
      ConfigError: no checkpoint is named, or it holds no intact model, or no evaluator is on, or one does not fit its
        sets, or the figures cannot be written where they belong.
    """
    use_compilation_cache()
    with configuring():
        join(options.config.distributed)
        asked = evaluated(options)
    evaluators = open_evaluators(asked.config.evaluators, asked.sets, asked.model)
    output = _output(options, asked, {one.name: list(one.sets) for one in evaluators})
    remembering = RememberingEncoder(asked.model)
    with configuring():
        check(evaluators)
        results = evaluate(evaluators, remembering)
    findings = find(evaluators, remembering, results)
    if jax.process_index():
        return 0
    origin = {**provenance(evaluators, **asked.origin), "remarks": list(findings.remarks)}
    write_results(output, results, origin)
    print(results_table(results, findings.chance))
    shown = options.home.shown
    page = write_page(output, f"Evaluation of {asked.name}", in_words(origin), findings)
    print(
        "\n".join(
            [
                "",
                *findings.remarks,
                *left_out(origin["skipped"]),
                f"figures: {shown(output)}   to look at: {shown(page)}",
            ]
        )
    )
    return 0


def _output(options: JobOptions, asked: Evaluated, sets: Mapping[str, list[str]]) -> Path:
    """The file of figures: --output, or beside what is evaluated. Tried before the work and not after it."""
    path = options.checkpoint.rstrip("/")
    one = run_at(path) != path and path[-1].isdigit() if in_bucket(path) else path and is_step(Path(path))
    step = Path(path).name if one else ""
    own = f"-{_plain(Path(options.source).stem)}" if options.source and options.checkpoint else ""
    name = f"{asked.config.name}{own}{f'-{step}' if step else ''}"
    if options.output and not options.output.endswith(".json"):
        raise ConfigError(
            f"--output={options.output}: name the file of figures, such as {name}.json; a page and the outcomes of "
            "queries go beside it"
        )
    beside = Path(options.source) if options.source and not options.checkpoint else None
    if beside and is_address(options.source) and not (options.output or options.workdir_argument):
        raise ConfigError(
            f"--source={redacted(options.source)}: nothing is written beside an address: name --output={name}.json"
        )
    place = beside if beside and not options.workdir_argument else place_of(options)
    folder = Path(options.output).parent if options.output else place / EVALUATIONS
    if not options.output:
        require_writable(f"{folder}, where figures go unless --output says where,", folder, "folder")
    return Path(options.output) if options.output else _free(folder, name, asked, sets)


def _free(folder: Path, name: str, asked: Evaluated, sets: Mapping[str, list[str]]) -> Path:
    """NAME.json, or where that holds figures of other data, a name with the sets in it: nothing is overwritten but
    what was measured on the same data."""
    measured = {one: {own: asked.sets.origin(own) for own in names} for one, names in sets.items()}
    entries = {own: origin for names in measured.values() for own, origin in names.items()}
    called = "-".join(entries)[:LONGEST]
    for tried in (name, f"{name}-{called}", *(f"{name}-{called}-{number}" for number in range(2, MOST))):
        path = folder / f"{tried}.json"
        if not path.exists() or _measured_on(path) == measured:
            return path
    raise ConfigError(
        f"{folder} holds {MOST} evaluations called {name}: remove some, or say where with --output"
    )


def _measured_on(path: Path) -> dict[str, dict[str, Any]] | None:
    """The data of each set of each evaluator behind a file of figures; None where it does not say."""
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))[PROVENANCE]
        return {
            name: {one: saved["data"].get(one) for one in settings["sets"]}
            for name, settings in saved["evaluators"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _plain(name: str) -> str:
    """A name as a part of a file's name."""
    return re.sub(r"[^\w.-]+", "_", name).strip("_.") or "data"
