"""Whose embeddings a side table holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from input_pipeline.errors import UserError
from input_pipeline.sources.paths import find_files
from input_pipeline.variants import FixedViews
from vlp.checkpoint import find_checkpoint
from vlp.embeddings.store import checkpoint_digest


def check_origins(tables: Mapping[str, Mapping[str, Any]], image: Mapping[str, Any]) -> None:
    """Refuses tables of other embeddings than those of the checkpoints that they should be of, or of other views.

    Args:
      tables: `data.tables`; of entries without a `checkpoint` only those of views are looked at.
      image: `data.image`, by which a run shows views.

    Raises:
      ValueError: names the table, the file and both digests.
    """
    for name, entry in tables.items():
        if entry.get("of") == "image":
            _check_views(name, entry, image)
        if not entry.get("checkpoint"):
            continue
        where, path = f"data.tables.{name}", entry["checkpoint"]
        try:
            wanted = checkpoint_digest(find_checkpoint(path))
        except ValueError as error:
            raise UserError(f"{where}.checkpoint: {error}") from None
        for file in find_files(entry["path"], ".parquet"):
            said = _said(file, b"checkpoint")
            if said != wanted:
                raise UserError(
                    f"{where}: {file} holds embeddings of {said[:12] or 'no checkpoint that it names'}, not of {path}, "
                    f"which is {wanted[:12]}: embed the data with that one, or name the checkpoint that they are of"
                )


def _check_views(name: str, entry: Mapping[str, Any], image: Mapping[str, Any]) -> None:
    """Files that do not say which settings their views are of are taken as they are."""
    # Which view a number is does not hang on the resolution.
    wanted = FixedViews.build({"resolution": 1, "resize": image["resize"]}, image, 1).digest
    try:
        files = find_files(entry["path"], ".parquet")
    except ValueError as error:
        raise UserError(f"data.tables.{name}: {error}") from None
    for file in files:
        if _said(file, b"views") not in ("", wanted):
            raise UserError(
                f"data.tables.{name}: {file} is of views that were made by another data.image than this run's: its "
                "crop_scale, crop_ratio, flip, resize and augmentations have to be those of --job=embed"
            )


def _said(file: Any, key: bytes) -> str:
    try:
        return (pq.read_schema(file).metadata or {}).get(key, b"").decode()
    except (pa.ArrowException, OSError):
        return ""
