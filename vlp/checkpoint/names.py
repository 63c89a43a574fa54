"""How a checkpoint's folder and the files in it are called."""

from __future__ import annotations

from vlp.processes.home import MANIFEST as MANIFEST

DESCRIPTION, TOKENIZER = "description.json", "tokenizer.model"
ARRAYS, LISTING = "arrays", "arrays.json"
MERGED = (
    "manifest.ocdbt"  # of each part of the arrays: where the parts that several processes wrote come together
)
PIECES = ".safetensors"  # what several processes wrote apart ends in


def step_of(name: str) -> int | None:
    """Returns the step whose checkpoint has this name, None for any other: only the digits that `str` writes count."""
    return int(name) if name.isascii() and name.isdigit() and str(int(name)) == name else None
