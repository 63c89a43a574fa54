"""Convert data to ArrayRecord shards: smaller images, no broken records, no near-duplicates."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from input_pipeline.prepare import Report, Settings, WorkerFailed, prepare
from input_pipeline.whole_files import write_whole
from vlp.configuration import ConfigError
from vlp.jobs import JobOptions
from vlp.jobs._sources import asked_sources
from vlp.runs.startup import configuring, usable_cores

NEEDS = ()  # with --source, the config's own sources need not be there
TAKES = ("source",)
WRITES = ("folder",)


def run(options: JobOptions) -> int:
    """Writes the shards and `report.json` and prints what became of the records.

    They lie in `--output`, or of several sources in a folder there for each, as only a source of its own has a weight.

    Raises:
      ConfigError: no output, or data or a folder that does not fit.
    """
    if not options.output:
        raise ConfigError("--job=prepare needs --output=FOLDER: where the shards go")
    config = options.config.prepare.to_dict()
    processes, sources = config.pop("processes") or usable_cores(), asked_sources(options)
    entries = {}
    try:
        for name, entry in sources.items():
            output = Path(options.output) / (name if len(sources) > 1 else "")
            with configuring():
                report = prepare(name, entry, Settings(**config), output, processes)
            write_whole(output / "report.json", (json.dumps(_figures(report), indent=1) + "\n").encode())
            print(f"source '{name}' in {output}\n{_table(report)}\n", flush=True)
            entries[output.name] = {**_kept(entry), "format": "array_record", "path": str(output.resolve())}
    except (WorkerFailed, OSError) as error:
        raise ConfigError(
            f"{error}. Finished shards are kept: the same command goes on from there"
        ) from error
    except KeyboardInterrupt:
        print("\nstopped; finished shards are kept, and the same command goes on from there")
        return 130
    print(f'to train on them: --config.data.sources="{entries}"')
    return 0


def _kept(entry: dict[str, Any]) -> dict[str, Any]:
    """What a source says that shards do not: how it is mixed and how its texts begin."""
    defaults = {"weight": 1.0, "templates": (), "labels": "", "prefix": "", "prefix_token": ""}
    return {key: entry[key] for key, default in defaults.items() if entry.get(key, default) != default}


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
    rows += [("other captions of an image", tally.joined)] if tally.joined else []
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
    if tally.captions_left_out:
        lines.append(
            f"{tally.captions_left_out:,} captions of near-duplicates are left out with them; rows with the same image "
            "are put together where they follow each other, and --config.prepare.duplicate_tolerance=-1 keeps all rows"
        )
    if report.records_now:
        lines.append(f"{'images/s per core':<28}{report.records_per_second_and_process:>12,.0f}")
    examples = [f"  {example}" for some in tally.examples.values() for example in some]
    return "\n".join([*lines, *(["examples of what was dropped:", *examples] if examples else [])])
