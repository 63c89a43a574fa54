"""Import a model of Hugging Face, OpenCLIP, OpenAI or big_vision as a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

from input_pipeline.addresses import redacted
from input_pipeline.buckets import joined
from input_pipeline.sources.paths import here
from input_pipeline.whole_files import write_whole
from vlp.checkpoint import Checkpointer, Description, read_description
from vlp.checkpoint.description import TOKENIZER
from vlp.checkpoint.folders import remove
from vlp.checkpoint.found import steps_of
from vlp.configuration import ConfigError
from vlp.interop.imported import Imported, import_model
from vlp.jobs import JobOptions
from vlp.processes.home import Home
from vlp.runs.startup import configuring

NEEDS = ()
TAKES = ("source",)
WRITES = ("workdir",)
CONFIG, TOKENIZER_PATH = "config.json", f"checkpoints/0/{TOKENIZER}"


def run(options: JobOptions) -> int:
    """Reads `--source` and leaves a checkpoint of step 0 in the workdir, with the config.json that starts from it.

    Raises:
      ConfigError: no source or workdir is named, the workdir is another run's, something of the model is not
        supported, or a file cannot be read or written.
    """
    if not options.source:
        raise ConfigError("--job=import needs --source=PATH: the folder or file of another project's model")
    if not options.workdir_argument:
        raise ConfigError("--job=import needs --workdir=DIR: the folder of the checkpoint that is made")
    try:
        _make_room(options.home)
        with configuring():
            source = here(options.source)
            imported = import_model(source, options.config.interop)
        _save(imported, source, options.home)
    except OSError as error:
        asked = f"--job=import --source={redacted(options.source)} --workdir={options.home}"
        raise ConfigError(f"{asked}: {error}") from error
    print(f"{options.home}: {imported.family} from {source}")
    for note in imported.notes:
        print(f"note: {note}")
    return 0


def _make_room(home: Home) -> None:
    """Removes what an import has left that was ended before its config.json, the last that it writes.

    Raises:
      ConfigError: the workdir holds a run, or a whole import.
    """
    directory = home.folder / "checkpoints"
    steps = steps_of(str(home))
    whole = bool(steps and home.address) or any(not _is_imported(directory / str(step)) for step in steps)
    if (home.folder / CONFIG).exists() or whole:
        what = "checkpoints" if steps else "a run"
        raise ConfigError(f"{home} holds {what} already: import into another --workdir")
    for step in steps:
        remove(directory / str(step))


def _is_imported(folder: Path) -> bool:
    try:
        return "imported" in read_description(folder).progress
    except (OSError, ValueError, KeyError, TypeError):  # whatever it is, it is none of ours
        return False


def _save(imported: Imported, source: Path, home: Home) -> None:
    # Beside the config.json, wherever both are moved to.
    imported.config["tokenizer"]["path"] = TOKENIZER_PATH
    description = Description(
        config=imported.config,
        preprocessing=imported.preprocessing,
        tokenizer_spec=imported.tokenizer.spec,
        tokenizer=imported.tokenizer.to_bytes(),
        progress={"step": 0, "imported": {"family": imported.family, "source": source.name}},
    )
    checkpointer = Checkpointer(
        home.folder / "checkpoints", address=joined(home.address, "checkpoints") if home.address else ""
    )
    try:
        if home.address:
            checkpointer.newest()  # copies of an earlier import are none of what the bucket has
        checkpointer.save(0, imported.variables, {}, description)
        checkpointer.close()
    except RuntimeError as error:  # what a full disk becomes
        raise ConfigError(f"{error}: make room, and give the same command again") from error
    text = json.dumps(imported.config, indent=1, sort_keys=True) + "\n"
    write_whole(home.folder / CONFIG, text.encode())
