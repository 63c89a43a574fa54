"""The steps that a config's `curate.steps` names, for the jobs that run them or prepare what they read."""

from __future__ import annotations

from input_pipeline.curation import StepEntry
from vlp.configuration.parts import find_part
from vlp.jobs import JobOptions


def curation_steps(options: JobOptions) -> list[StepEntry]:
    """Returns the steps in order; one that goes by embeddings and names none takes those of `curate`."""
    curate, entries = options.config.curate, []
    for name in curate.steps:
        settings = options.config.curation[name].to_dict()
        if settings.get("embeddings") == "":
            settings["embeddings"] = curate.embeddings
        target = find_part("curation", settings["kind"], f"curation.{name}").target
        entries.append(StepEntry(name, target, settings))
    return entries
