"""Convert data to ArrayRecord shards: smaller images, no broken records, no near-duplicates."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from input_pipeline.prepare import Report, Settings, WorkerFailed, prepare
from vlp.configuration import ConfigError
from vlp.jobs import JobOptions
from vlp.jobs._sources import asked_sources
from vlp.jobs._startup import configuring, usable_cores

NEEDS = ()  # with --source, the config's own sources need not be there


def run(options: JobOptions) -> int:
    """Writes the shards and `report.json` into `--output` and prints what became of the records.

    Raises:
      ConfigError: no output, or data or a folder that does not fit.
    """
    if not options.output:
        raise ConfigError("--job=prepare needs --output=FOLDER: where the shards go")
    config, output = options.config.prepare.to_dict(), Path(options.output)
    processes = config.pop("processes") or usable_cores()
    try:
        with configuring():
            report = prepare(asked_sources(options), Settings(**config), output, processes)
    except (WorkerFailed, OSError) as error:
        raise ConfigError(
            f"{error}. Finished shards are kept: the same command goes on from there"
        ) from error
    except KeyboardInterrupt:
        print("\nstopped; finished shards are kept, and the same command goes on from there")
        return 130
    (output / "report.json").write_text(json.dumps(_figures(report), indent=1) + "\n")
    print(_table(report))
    print(f"\nshards: {output}   to train on them: {_flag(output)}")
    return 0


def _figures(report: Report) -> dict[str, Any]:
    tally = dataclasses.asdict(report.tally)
    rate = round(report.records_per_second_and_process, 1)
    return {
        **tally,
        "shards": report.shards,
        "records_now": report.records_now,
        "images_per_second_per_core": rate,
    }


def _table(report: Report) -> str:
    tally = report.tally
    rows = [("records", tally.seen), ("kept", tally.kept), ("near-duplicates", tally.duplicates)]
    rows += [
        (f"dropped: {reason.replace('_', ' ')}", count) for reason, count in sorted(tally.dropped.items())
    ]
    rows += [(f"images {change}", count) for change, count in sorted(tally.changes.items())]
    rows += [(f"images up to {side} px", tally.sides[side]) for side in sorted(tally.sides, key=int)]
    lines = [f"{name:<28}{count:>12,}  {count / tally.seen:7.2%}" for name, count in rows]
    lines += [
        f"{'image bytes before':<28}{tally.bytes_before:>12,}",
        f"{'image bytes after':<28}{tally.bytes_after:>12,}  {tally.bytes_after / tally.bytes_before:7.2%}",
        f"{'shards':<28}{report.shards:>12,}",
    ]
    if report.records_now:
        lines.append(f"{'images/s per core':<28}{report.records_per_second_and_process:>12,.0f}")
    examples = [f"  {example}" for some in tally.examples.values() for example in some]
    return "\n".join([*lines, *(["examples of what was dropped:", *examples] if examples else [])])


def _flag(output: Path) -> str:
    entry = {"format": "array_record", "path": str(output.resolve())}
    return f'--config.data.sources="{ {output.name: entry} }"'
