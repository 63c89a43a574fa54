"""Opens what --job=evaluate is about: a checkpoint or embeddings, and the sets of a config or the data at --source."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

import vlp
from input_pipeline.sources.paths import here
from vlp.checkpoint import find_checkpoint, read_description
from vlp.configuration import ConfigError, validate
from vlp.configuration.resolve import complete_entries
from vlp.embeddings.sets import DumpedSets
from vlp.jobs import JobOptions
from vlp.jobs._sources import asked_sources
from vlp.parallel.mesh import data_mesh
from vlp.runs.data import EvaluationSets

OWN = "source"  # what the data at --source are called


class Evaluated(NamedTuple):
    """A side that encodes, and one that is encoded.

    Attributes:
      model: the encoder.
      config: with the evaluators.
      sets: that they run on.
      name: of the config that the model was trained with, or that of the evaluation.
      origin: of the figures, for their provenance.
    """

    model: Any
    config: Any
    sets: EvaluationSets | DumpedSets
    name: str
    origin: dict[str, Any]


def evaluated(options: JobOptions) -> Evaluated:
    """Loads the model, or opens the embeddings; no set is read yet.

    Raises:
      ConfigError: neither is named, or what the config asks for is not there.
      ValueError: the checkpoint or the embeddings cannot be read.
    """
    if options.source and (not options.checkpoint or (Path(options.source) / "index.json").is_file()):
        dump = DumpedSets(here(options.source))
        origin = {"checkpoint_digest": dump.checkpoint, "config": options.config.name}
        return Evaluated(dump, options.config, dump, options.config.name, origin)
    if not options.checkpoint:
        raise ConfigError(
            "--job=evaluate needs --checkpoint=PATH: a workdir, its checkpoints, or one step's folder; or "
            "--source=FOLDER: what --job=embed left"
        )
    folder = find_checkpoint(options.checkpoint)
    step = int(read_description(folder).progress["step"])
    model = vlp.load(folder, mesh=data_mesh())
    config = options.config if options.config_argument else model.config
    if options.source:
        config = _on_own_data(config, asked_sources(options)[OWN])
    if options.config_argument or options.source:
        validate(config, ("evaluation",))
    origin = {"checkpoint": options.checkpoint, "step": step, "config": config.name}
    return Evaluated(model, config, EvaluationSets(config, model.preprocessing), model.config.name, origin)


def _on_own_data(config: Any, entry: Mapping[str, Any]) -> ConfigDict:
    """The config whose evaluators that are on run on the data at --source alone."""
    own = ConfigDict(config)
    with own.unlocked():
        own.data.evaluation[OWN] = ConfigDict(entry)
    complete_entries(own)
    for settings in own.evaluators.values():
        settings.sets = (OWN,)
    return own
