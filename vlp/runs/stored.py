"""Folders of --job=embed in the place of towers: whether they are of the run's checkpoints, and as side tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.sources.paths import here
from vlp.checkpoint import find_checkpoint, read_description
from vlp.embeddings.store import checkpoint_digest
from vlp.models.families import TOWERS
from vlp.runs.data import preprocessing_spec
from vlp.stored import stored_fields


def data_with_stored(config: Any) -> Any:
    """Returns `data` of a config, with the rows that are stored as side tables.

    Raises:
      ValueError: a folder is of another checkpoint than the tower starts from, of another width, or not whole.
    """
    towers = [tower for tower in TOWERS if config.data.stored[tower]]
    if not towers:
        return config.data
    data = ConfigDict(config.data).copy_and_resolve_references()
    data.unlock()
    for tower in towers:
        folder = _checked(config, tower)
        of = {"image": "", "text": "text"}[tower]
        path = str(folder / "*" / tower / "*.parquet")
        data.tables[stored_fields(data)[tower]] = {"path": path, "column": "embedding", "of": of}
    return data


def _checked(config: Any, tower: str) -> Path:
    where = f"data.stored.{tower}={config.data.stored[tower]}"
    folder = here(config.data.stored[tower])
    again = f"--job=embed --config.embed.feature={tower} --config.embed.format=parquet"
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        digest, form, parts = index["checkpoint"], index["format"], index["parts"]
        views = index.get("views", 0)
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{where}: there is no index.json of a whole {again}") from None
    own = {name: part for name, part in parts.items() if name.endswith(f"/{tower}")}
    if form != "parquet" or not own:
        raise UserError(f"{where}: it holds no {tower} embeddings in parquet: make them by {again}")
    if views and tower == "image":
        raise UserError(
            f"{where}: its rows are of {views} training views of each image, not of the one that evaluators see: embed "
            f"into another folder by {again} --config.embed.views=0"
        )
    setting = f"start_{tower}" if config.checkpoint[f"start_{tower}"] else "start"
    start = config.checkpoint[setting]
    if not start:
        raise UserError(
            f"{where} needs the tower that it is of, to evaluate and to save it: set checkpoint.start_{tower}"
        )
    if checkpoint_digest(find_checkpoint(start)) != digest:
        raise UserError(
            f"{where}: its rows are those of another checkpoint than checkpoint.{setting}={start}: embed that one, "
            f"by {again} --checkpoint={start}"
        )
    _check_prepared(config, tower, where, start)
    return folder


def _check_prepared(config: Any, tower: str, where: str, start: str) -> None:
    """Raises ValueError where the rows are of another projection, or of images that were prepared otherwise."""
    there = read_description(find_checkpoint(start))
    kind = there.config["model"][tower].get("projection", "")
    if config.data.stored.project and kind != "none":
        raise UserError(
            f"{where}: data.stored.project is for towers without a projection, and that of {start} has one"
        )
    if not config.data.stored.project and config.model.embed_dim != there.config["model"]["embed_dim"]:
        raise UserError(
            f"{where}: its rows have {there.config['model']['embed_dim']} numbers, and "
            f"model.embed_dim={config.model.embed_dim}: set data.stored.project=True to train a projection of them"
        )
    own = {"patches": 0, **preprocessing_spec(config)}  # which only a tower of any shape of image has
    for key, value in own.items():
        if tower == "image" and (said := there.preprocessing.get(key, 0)) != value:
            raise UserError(
                f"{where}: its rows are of images with {key}={said}, and this run's have "
                f"{key}={value}: set the same in data.image and model.image.resolution"
            )
