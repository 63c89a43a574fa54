"""What `vlp.Model` does with folders: encode all pictures of one, and save itself into one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sized
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, PyTree

from input_pipeline.errors import UserError
from input_pipeline.sources.folder import IMAGES
from vlp.checkpoint import Checkpointer, Description, is_step
from vlp.configuration import to_dict


def pictures_below(folder: Path) -> list[Path]:
    """Returns the pictures of a folder and of those below, sorted.

    Raises:
      ValueError: there is no such folder, or no picture in it.
    """
    folder = folder.expanduser()
    found = sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGES)
    if not found:
        raise UserError(f"{folder} is no folder with pictures: one picture goes to encode_image")
    return found


def encoded_in_batches(
    model: Any, images: Iterable[Any], size: int, progress: bool
) -> Float32[np.ndarray, "n embed_dim"]:
    """Returns the rows of images that are read a batch at a time, with a bar if it is asked for."""
    from tqdm import tqdm

    total = len(images) if isinstance(images, Sized) else None
    done = [np.zeros((0, model.config.model.embed_dim), np.float32)]
    with tqdm(total=total, unit=" images", disable=not progress) as bar:
        rest = iter(images)
        while batch := list(itertools.islice(rest, size)):
            done.append(model.encode_image(batch))
            bar.update(len(batch))
    return np.concatenate(done)


def save_towers(model: Any, variables: PyTree, folder: Path) -> None:
    """Writes a checkpoint of a model's towers, complete or not at all.

    Raises:
      ValueError: the folder holds one already.
    """
    if folder.exists() and any(is_step(path) for path in (folder, *folder.rglob("*"))):
        raise UserError(f"{folder} holds a checkpoint already: save into another folder")
    # The config is that of the model's stage already: with its stages, step 0 would be read as the first of them.
    config = to_dict(model.config)
    if "stages" in config:
        config["stages"] = dict.fromkeys(config["stages"], ())
    tokenizer = model.tokenizer
    description = Description(config, model.preprocessing, tokenizer.spec, tokenizer.to_bytes(), {"step": 0})
    checkpointer = Checkpointer(folder / "checkpoints")
    checkpointer.save(0, {"params": {"model": variables}}, {"step": np.int32(0)}, description)
    checkpointer.close()
