"""The state of an interrupted clustering: one file, replaced whole after each iteration."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.whole_files import writing_whole

STATE = "kmeans.npz"


def save(folder: Path, settings: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Writes the state; of several processes the first does."""
    if jax.process_index():
        return
    path = folder / STATE
    with writing_whole(path) as file:
        np.savez(file, settings=json.dumps(settings, sort_keys=True), **values)


def load(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the values that were saved; None if there are none yet.

    Raises:
      ValueError: the file is damaged, or of a clustering with other settings.
    """
    path = folder / STATE
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            values = {name: file[name] for name in file.files}
        saved = json.loads(str(values.pop("settings")))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read ({error}): remove it to begin anew") from None
    for name, value in settings.items():
        if saved.get(name) != value:
            raise UserError(
                f"{path} was begun with {name}={saved.get(name)}, not {value}: remove it to begin anew, or choose "
                "another output"
            )
    return {
        "centres": values["centres"],
        "objective": tuple(values["objective"].tolist()),
        "empty": tuple(values["empty"].tolist()),
        "converged": bool(values["converged"]),
    }
