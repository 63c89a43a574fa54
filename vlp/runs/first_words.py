"""What a run says of its data before the first step: how often each record comes, and whether that is meant."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, NamedTuple

import jax

from input_pipeline.stream import Stream
from vlp.configuration.paths import PROJECT_ROOT
from vlp.training.progress import Progress

BUNDLED = PROJECT_ROOT / "data" / "quickstart"
MANY_PASSES = 1000.0
SHOWN = 4


class Use(NamedTuple):
    """Says how a run uses a source.

    Attributes:
      name: of the source.
      records: those that are used.
      batch: how many of them an average batch holds.
      passes: how often the whole run comes to each.
    """

    name: str
    records: int
    batch: float
    passes: float


def uses(config: Any, stream: Stream) -> list[Use]:
    """Returns the sources of a run, the one of which a batch holds most first."""
    found = []
    for name, (records, share) in stream.shares().items():
        batch = config.batch_size * share
        found.append(Use(name, records, batch, batch * config.steps / records))
    return sorted(found, key=lambda use: -use.batch)


def first_line(config: Any, stream: Stream) -> str:
    """Returns how many steps of how many pairs the run makes, and how many passes over the data those are."""
    found = uses(config, stream)
    passes = [f"{_short(use.passes)} passes over '{use.name}' ({use.records:,} records)" for use in found]
    more = [f"and {len(found) - SHOWN} more sources"] if len(found) > SHOWN else []
    return f"{config.steps:,} steps of {config.batch_size:,} pairs: {', '.join([*passes[:SHOWN], *more])}"


def warnings(config: Any, stream: Stream) -> list[str]:
    """Returns a sentence for each source that is too small for the run: most often it is not the one that was meant."""
    said = []
    for use in uses(config, stream):
        if use.batch > use.records:
            what = f"a batch of {config.batch_size:,} holds {use.batch:,.0f} pairs of source '{use.name}', which has "
            what += f"{use.records:,} records: some come several times in one batch"
        elif use.passes > MANY_PASSES:
            what = f"the run comes to each of the {use.records:,} records of source '{use.name}' "
            what += f"{_short(use.passes)} times"
        else:
            continue
        hint = (
            "the bundled drawings are for first tries: "
            if _is_bundled(config, use.name)
            else "if that is not meant, "
        )
        said.append(f"{what}; {hint}name other data with --config.data.sources")
    return said


def _is_bundled(config: Any, name: str) -> bool:
    path = str(config.data.sources[name].get("path", ""))
    return "://" not in path and (PROJECT_ROOT / Path(path)).resolve().is_relative_to(BUNDLED)


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def say_what_for(config: Any, stream: Stream, progress: Progress, log: logging.Logger) -> None:
    """Says the first line, of steps, pairs and passes over the data, and what looks wrong with them."""
    line = first_line(config, stream)
    progress.write(line)
    log.info("%s", line)
    for words in warnings(config, stream) if jax.process_index() == 0 else ():
        logging.warning("%s", words)
