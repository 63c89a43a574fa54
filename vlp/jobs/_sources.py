"""The data that a command line means: `--source`, or the sources of the config."""

from __future__ import annotations

from typing import Any

from input_pipeline.sources.guess import guess
from vlp.configuration import validate
from vlp.jobs import JobOptions
from vlp.runs.startup import configuring


def asked_sources(options: JobOptions) -> dict[str, dict[str, Any]]:
    """Entries as in `data.sources`, by name: what lies at `--source`, else those of the config with a weight.

    Raises:
      ConfigError: there is nothing there, or nothing that is known.
    """
    if not options.source:
        validate(options.config, ("sources",))
        sources = options.config.data.sources.to_dict()
        return {name: source for name, source in sources.items() if source["weight"] > 0}
    with configuring():
        found = guess(options.source)
        entry = {"format": found.format, "path": found.path, "weight": 1.0, "columns": {}}
    return {"source": entry}
