"""Export a checkpoint as a folder that transformers or open_clip load: --format=huggingface|open_clip."""

from __future__ import annotations

from pathlib import Path

from vlp.configuration import ConfigError
from vlp.configuration.errors import unknown
from vlp.interop.exported import FORMATS, export_model
from vlp.jobs import JobOptions
from vlp.runs.startup import configuring

NEEDS = ()
TAKES = ("checkpoint",)
WRITES = ("folder",)
READS_MODEL = True
OPTIONS = {"format": ("", "huggingface or open_clip")}


def run(options: JobOptions) -> int:
    """Writes `--output` and says what is different there.

    Raises:
      ConfigError: a flag is missing, the format cannot hold the model, or a file cannot be read or written.
    """
    if not options.checkpoint or not options.output:
        raise ConfigError(
            "--job=export needs --checkpoint=PATH, --output=FOLDER and --format=huggingface or open_clip"
        )
    form = options.own["format"]
    if form not in FORMATS:
        raise unknown("format", form, FORMATS)
    output = Path(options.output).expanduser()
    try:
        with configuring():
            notes = export_model(options.checkpoint, form, output)
    except OSError as error:
        raise ConfigError(f"--job=export --output={output}: {error}") from error
    print(f"{options.output}: {form} from {options.checkpoint}")
    for note in notes:
        print(f"note: {note}")
    return 0
