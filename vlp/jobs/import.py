"""Import a model of Hugging Face, OpenCLIP, OpenAI or big_vision as a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

from vlp.checkpoint import Checkpointer, Description
from vlp.configuration import ConfigError
from vlp.interop.imported import import_model
from vlp.jobs import JobOptions
from vlp.runs.startup import configuring

NEEDS = ()


def run(options: JobOptions) -> int:
    """Reads `--source` and leaves a checkpoint of step 0 in the workdir.

    Raises:
      ConfigError: no source or workdir is named, the workdir has checkpoints, or something of the model is not
        supported.
    """
    if not options.source:
        raise ConfigError("--job=import needs --source=PATH: the folder or file of another project's model")
    if not options.workdir_argument:
        raise ConfigError("--job=import needs --workdir=DIR: the folder of the checkpoint that is made")
    source = Path(options.source).expanduser()
    if (options.workdir / "checkpoints").exists():
        raise ConfigError(f"{options.workdir} holds checkpoints already: import into another --workdir")
    with configuring():
        imported = import_model(source, options.config.interop)
    checkpointer = Checkpointer(options.workdir / "checkpoints")
    path = str(options.workdir.resolve() / "checkpoints" / "0" / "tokenizer.model")
    imported.config["tokenizer"]["path"] = path
    text = json.dumps(imported.config, indent=1, sort_keys=True) + "\n"
    (options.workdir / "config.json").write_text(text, encoding="utf-8")
    description = Description(
        config=imported.config,
        preprocessing=imported.preprocessing,
        tokenizer_spec=imported.tokenizer.spec,
        tokenizer=imported.tokenizer.to_bytes(),
        progress={"step": 0, "imported": {"family": imported.family, "source": source.name}},
    )
    checkpointer.save(0, imported.variables, {}, description)
    checkpointer.close()
    print(f"{options.workdir}: {imported.family} from {source}")
    return 0
