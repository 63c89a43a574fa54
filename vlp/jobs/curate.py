"""Choose which records to train on, by a chain of steps: ids to keep, scores, captions, and a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from input_pipeline.curation import Request, StepEntry, WorkerFailed, curate
from input_pipeline.whole_files import write_whole
from vlp.configuration import ConfigError
from vlp.curation.embedded import open_embedded
from vlp.embeddings.store import checkpoint_digest
from vlp.jobs import JobOptions
from vlp.jobs._curation import curation_steps
from vlp.jobs._sources import asked_sources
from vlp.runs.startup import configuring, usable_cores

NEEDS = ()  # with --source, the config's own sources need not be there
TAKES = ("checkpoint", "source")
WRITES = ("folder",)


def run(options: JobOptions) -> int:
    """Writes kept.txt, scores.parquet, report.json and a page of it into `--output`, and prints what became.

    Raises:
      ConfigError: no output, no steps, or data, files of steps or a folder that do not fit.
    """
    output, settings = Path(options.output), options.config.curate
    if not options.output:
        raise ConfigError("--job=curate needs --output=FOLDER: where the ids to keep go")
    if not settings.steps:
        raise ConfigError("curate.steps is empty: take a config such as --config=configs/curate/metaclip.py")
    steps = curation_steps(options)
    request = Request(asked_sources(options), steps, settings.seed, settings.slice)
    try:
        with configuring():
            _check_checkpoint(options.checkpoint, steps)
            report = curate(request, output, settings.processes or usable_cores())
    except (WorkerFailed, OSError) as error:
        raise ConfigError(
            f"{error}. Finished slices are kept: the same command goes on from there"
        ) from error
    except KeyboardInterrupt:
        print("\nstopped; finished slices are kept, and the same command goes on from there")
        return 130
    _draw(output, request)
    print(_table(report))
    print(f"to look at: {output / 'report.html'}")
    for name, source in report["sources"].items():
        flags = [
            f"--config.data.sources.{name}.{key}={output / source[key]}"
            for key in ("keep_ids", "captions_by_id")
            if key in source
        ]
        print(f"to train on it: {' '.join(flags)}")
    return 0


def _check_checkpoint(path: str, steps: Sequence[StepEntry]) -> None:
    """Refuses embeddings that are not by the checkpoint that the user names, where one is named."""
    if not path:
        return
    from vlp.checkpoint import find_checkpoint  # which loads jax, and most curations need none

    for entry in steps:
        if folder := entry.settings.get("embeddings"):
            digest = checkpoint_digest(find_checkpoint(path))
            if open_embedded(folder).checkpoint != digest:
                raise ConfigError(
                    f"{folder} holds embeddings of another checkpoint than --checkpoint={path}: run --job=embed with "
                    "that one, into another folder"
                )


def _draw(output: Path, request: Request) -> None:
    """Leaves a page to look at beside the report, unless it is there."""
    page = output / "report.html"
    if not page.is_file():
        from vlp.curation.shown import page_of

        write_whole(page, page_of(output, request.sources).encode())


def _table(report: dict[str, Any]) -> str:
    total = report["records"]
    rows = [("records", total)]
    for step in report["steps"]:
        rows += [(f"{step['name']}: {reason}", count) for reason, count in step["dropped"].items()]
    rows.append(("kept", report["kept"]))
    lines = [f"{name:<40}{count:>12,}  {count / total:7.2%}" for name, count in rows]
    examples = [
        f"  {step['name']}: {reason}: {example}"
        for step in report["steps"]
        for reason, some in step["examples"].items()
        for example in some
    ]
    lines += ["examples of what was dropped:", *examples] if examples else []
    if report["repeated_ids"]:
        lines.append(
            f"{report['repeated_ids']:,} records share their id with another of their source: keep_ids takes all of "
            "an id or none"
        )
    return "\n".join(lines)
