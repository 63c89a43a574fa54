"""What makes a checkpoint explain itself: config, preprocessing, tokenizer, and where the run stood."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from input_pipeline.addresses import redacted
from input_pipeline.errors import UserError
from vlp.checkpoint.names import DESCRIPTION, TOKENIZER

FORMAT_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Description:
    """Everything but the arrays.

    Attributes:
      config: the resolved config, plain JSON.
      preprocessing: how images become pixels.
      tokenizer_spec: what `input_pipeline.tokenizers.tokenizer_from_bytes` needs beside the bytes.
      tokenizer: the tokenizer's bytes.
      progress: where the run stood: updates made, and whatever else the job wants back when it resumes.
    """

    config: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    tokenizer_spec: Mapping[str, Any]
    tokenizer: bytes
    progress: Mapping[str, Any]

    def write(self, folder: Path) -> None:
        """Writes two plain files that need no library to read. Addresses in the config show no secrets."""
        fields = {name: value for name, value in vars(self).items() if name != "tokenizer"}
        fields["config"] = shown(fields["config"])
        text = json.dumps({"format_version": FORMAT_VERSION, **fields}, indent=1, sort_keys=True)
        (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")
        (folder / TOKENIZER).write_bytes(self.tokenizer)


def shown(config: Any) -> Any:
    """Returns a config, or a part of it, whose addresses show neither passwords nor signatures: files are passed on."""
    if isinstance(config, Mapping):
        return {key: shown(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [shown(value) for value in config]
    return redacted(config) if isinstance(config, str) else config


def read_description(folder: Path) -> Description:
    """Reads what `Description.write` wrote.

    Raises:
      ValueError: the folder is no checkpoint, or one of a later format.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        raise UserError(f"{folder} is no checkpoint: it has no {DESCRIPTION}")
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON that can be read: {error}") from error
    version = fields.pop("format_version", None) if isinstance(fields, dict) else None
    if not isinstance(version, int):
        raise UserError(f"{path} is no description of a checkpoint: it has no format_version, a number")
    if version > FORMAT_VERSION:
        raise UserError(
            f"{folder} has checkpoint format {version}, this vlp reads up to {FORMAT_VERSION}: update vlp"
        )
    _check_fields(path, fields)
    return Description(tokenizer=(folder / TOKENIZER).read_bytes(), **fields)


def _check_fields(path: Path, fields: Mapping[str, Any]) -> None:
    wanted = {field.name for field in dataclasses.fields(Description)} - {"tokenizer"}
    wrong = [f"{name} is missing" for name in sorted(wanted - fields.keys())]
    wrong += [f"{name} is unknown" for name in sorted(fields.keys() - wanted)]
    wrong += [
        f"{name} is no object"
        for name in sorted(wanted & fields.keys())
        if not isinstance(fields[name], Mapping)
    ]
    if not wrong and not isinstance(fields["progress"].get("step"), int):
        wrong = ["progress has no step, a number"]
    if wrong:
        raise UserError(f"{path} is no description of a checkpoint: {'; '.join(wrong)}")
