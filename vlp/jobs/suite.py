"""Measure a checkpoint on DataComp's 40 tasks, VTAB or others, from copies below --source=FOLDER."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

import vlp
from input_pipeline.sources.paths import here
from input_pipeline.whole_files import write_whole
from vlp.checkpoint import find_checkpoint
from vlp.configuration import ConfigError
from vlp.embeddings.encode import Records, check_same_start
from vlp.embeddings.store import checkpoint_digest
from vlp.evaluation import Findings
from vlp.evaluation.comparison.runs import EVALUATIONS
from vlp.evaluation.exhibits import Table
from vlp.evaluation.outcomes import outcomes_to_bytes, read_outcomes
from vlp.evaluation.page.files import write_page
from vlp.evaluation.suites.measured import averages
from vlp.evaluation.suites.robustness import effective_robustness
from vlp.evaluation.suites.tasks import SUITES, Task, tasks_of
from vlp.jobs import JobOptions
from vlp.jobs._place import place_of
from vlp.model import Model
from vlp.parallel.mesh import local_mesh
from vlp.processes.join import join
from vlp.runs.startup import configuring, use_compilation_cache
from vlp.runs.suite import Copy, find_copy, measure, records_of
from vlp.training.writers import write_results

NEEDS = ()
TAKES = ("checkpoint", "source")
WRITES = ("folder", "workdir")
READS_MODEL = True

METHODS = [
    {
        "paper": "DataComp: In Search of the Next Generation of Multimodal Datasets",
        "arxiv": "2304.14108",
        "family": "evaluation",
        "flags": "--checkpoint=runs/methods/first --source=runs/methods/evalsets",
        "before": (
            "--config=configs/quickstart.py:runlocal --workdir=runs/methods/first",
            "--job=prepare --source=data/quickstart/val.parquet --output=runs/methods/evalsets/wds_flickr30k_test",
        ),
        "check": "tests/evaluation/test_suites.py::test_figures_are_those_of_the_references_arithmetic",
    },
]
ROWS = "eval_results.jsonl"


def run(options: JobOptions) -> int:
    """Measures the tasks that have no row of their copy yet, each in turn; several processes take turns at the tasks.

    Raises:
      ConfigError: no checkpoint or source is named, none of the tasks has a copy there, or data do not fit a task.
    """
    if not options.checkpoint or not options.source:
        raise ConfigError(
            "--job=suite needs --checkpoint=PATH and --source=FOLDER, below which local copies of the tasks lie, such "
            "as FOLDER/wds_cars_test"
        )
    settings = options.config.suite
    output = Path(options.output) if options.output else place_of(options) / EVALUATIONS / settings.name
    use_compilation_cache()
    with configuring():
        join(options.config.distributed)
        tasks = tasks_of(settings.name, settings.tasks)
        source = here(options.source)
        copies = {task.key: find_copy(task, source) for task in tasks}
        found = {key: copy for key, copy in copies.items() if copy}
        if not found:
            raise ConfigError(
                f"{options.source} has a copy of none of {len(tasks)} tasks: the first was looked for as "
                f"{', '.join(tasks[0].folders)}"
            )
        folder = find_checkpoint(options.checkpoint)
        check_same_start(output, {"checkpoint": checkpoint_digest(folder)})
        model = vlp.load(folder, mesh=local_mesh())
        model.require(("image", "text"), "--job=suite")
        own = [task for task in tasks if task.key in found][jax.process_index() :: jax.process_count()]
        for task, records in [*_missing(own, found, model, output)]:
            _measure(task, found[task.key], records, model, output, options)
    return _finish(tasks, found, output, options)


def _missing(
    tasks: Sequence[Task], found: Mapping[str, Copy], model: Model, output: Path
) -> Iterator[tuple[Task, Records]]:
    """The tasks without a row, whose copy was another when it was written, or had other records."""
    for task in tasks:
        file, records = _row_file(output, task), records_of(task, found[task.key], model)
        if file.exists():
            if json.loads(file.read_text()).get("copy") == _told(found[task.key], records):
                continue
            file.unlink()
        yield task, records


def _told(copy: Copy, records: Records) -> dict[str, Any]:
    """What tells a copy from another, and from itself before it was whole."""
    return {"path": str(copy.folder.resolve()), "records": len(records)}


def _measure(
    task: Task, copy: Copy, records: Records, model: Model, output: Path, options: JobOptions
) -> None:
    """Leaves a task's row and the outcomes of its queries."""
    file = _row_file(output, task)
    scratch = output / "embeddings" / file.stem
    with tqdm(desc=task.name, unit=" records", smoothing=0.1, disable=None) as bar:
        done = measure(
            task,
            copy,
            records,
            model,
            scratch,
            batch_size=options.config.suite.batch_size,
            report=bar.update,
        )
    write_whole(file.with_suffix(".npz"), outcomes_to_bytes(done.result.outcomes))
    row = {
        "dataset": f"wds/{task.key}",
        "model": model.config.name,
        "pretrained": options.checkpoint,
        "task": task.kind,
        "metrics": done.result.figures,
        "language": "en",
        "images": done.images,
        "skipped": done.skipped,
        "queries": done.result.queries,
        "copy": _told(copy, records),
    }
    write_whole(file, (json.dumps(row) + "\n").encode())


def _finish(tasks: Sequence[Task], found: Mapping[str, Copy], output: Path, options: JobOptions) -> int:
    """Writes all rows, the averages and a page, once every task that has a copy has a row."""
    rows = {
        task.key: json.loads(_row_file(output, task).read_text())
        for task in tasks
        if _row_file(output, task).exists()
    }
    if found.keys() - rows.keys():
        print(f"process {jax.process_index()} is done; others are still to come")
        return 0
    suite = SUITES[options.config.suite.name]
    figures = {key: row["metrics"] for key, row in rows.items()}
    means = averages(suite, figures) | effective_robustness(figures)
    lines = [_reference_row(task, figures[task.key]) for task in tasks if task.key in rows]
    write_whole(output / ROWS, "".join(json.dumps(line) + "\n" for line in lines).encode())
    page = _write_page(tasks, rows, means, output, options)
    for line in _table(tasks, figures):
        print(f"{line[0]:<28} {line[1]:<24} {line[2]:>8} {line[3]:>8}")
    missing = [task.name for task in tasks if task.key not in rows]
    if missing:
        print(f"without a copy in {options.source}, and so left out: {', '.join(missing)}")
    print(
        "\n".join(f"{name}: {100 * value:.1f}%" for name, value in means.items())
        or "no average: tasks are missing"
    )
    print(f"rows: {output / ROWS}   to look at: {page}")
    return 0


def _row_file(output: Path, task: Task) -> Path:
    return output / f"{task.key.replace('/', '_')}.json"


def _reference_row(task: Task, metrics: Mapping[str, float]) -> dict[str, Any]:
    """A line as DataComp's evaluation writes it, and its aggregation reads it."""
    own = {**metrics, "main_metric": metrics.get(task.main)}
    return {"key": task.key, "dataset": task.name, "metrics": own}


def _table(tasks: Sequence[Task], figures: Mapping[str, Mapping[str, float]]) -> list[list[str]]:
    """Name, figure that counts, its value and chance of every task that was measured."""
    return [
        [
            task.name,
            task.main or "-",
            _per_cent(figures[task.key].get(task.main)),
            _per_cent(task.chance),
        ]
        for task in tasks
        if task.key in figures
    ]


def _per_cent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}%"


def _write_page(
    tasks: Sequence[Task],
    rows: Mapping[str, Mapping[str, Any]],
    means: Mapping[str, float],
    output: Path,
    options: JobOptions,
) -> Path:
    """Writes the figures of all tasks by flat names, the outcomes of their queries, and a page."""
    name = options.config.suite.name
    figures, chance, outcomes = dict[str, float](), dict[str, float](), dict[str, np.ndarray]()
    for task in tasks:
        if task.key in rows:
            start, file = f"{name}/{task.key.replace('/', '_')}/", _row_file(output, task)
            own = {
                figure: value for figure, value in rows[task.key]["metrics"].items() if "count_" not in figure
            }
            figures |= {start + figure: value for figure, value in own.items()}
            outcomes |= {
                start + figure: values for figure, values in read_outcomes(file.with_suffix(".npz")).items()
            }
            if task.chance is not None:
                chance[start + task.main] = task.chance
    figures |= {f"{name}/{group}": value for group, value in means.items()}
    metrics = {key: row["metrics"] for key, row in rows.items()}
    table = Table("Tasks", ["task", "figure", "value", "chance"], _table(tasks, metrics))
    about = {"checkpoint": options.checkpoint, "data": options.source, **_remarks(tasks, rows)}
    write_results(output / f"{name}.json", figures, {"checkpoint": options.checkpoint, "suite": name})
    findings = Findings(figures, chance, outcomes, {name: [table]})
    return write_page(output / f"{name}.json", f"{name} of {options.checkpoint}", about, findings)


def _remarks(tasks: Sequence[Task], rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """What is not as it should be: tasks whose sets are not whole, and those that are missing."""
    short = [
        f"{task.name} has {rows[task.key]['images']:,} of {task.images:,} images"
        for task in tasks
        if task.key in rows and task.images and rows[task.key]["images"] != task.images
    ]
    for task in tasks:
        asked, all_there_are = rows.get(task.key, {}).get("queries", (0, 0))
        if asked != all_there_are:
            short.append(
                f"{task.name} asks {asked:,} of {all_there_are:,} queries: images of others are missing"
            )
    missing = [task.name for task in tasks if task.key not in rows]
    found = {"not whole": "; ".join(short), "missing": ", ".join(missing)}
    return {name: text for name, text in found.items() if text}
