"""Whose embeddings a side table holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from input_pipeline.errors import UserError
from input_pipeline.sources.paths import find_files
from vlp.checkpoint import find_checkpoint
from vlp.embeddings.store import checkpoint_digest


def check_origins(tables: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuses tables of other embeddings than those of the checkpoints that they should be of.

    Args:
      tables: `data.tables`; entries without a `checkpoint` are not looked at.

    Raises:
      ValueError: names the table, the file and both digests.
    """
    for name, entry in tables.items():
        if not entry.get("checkpoint"):
            continue
        where, path = f"data.tables.{name}", entry["checkpoint"]
        try:
            wanted = checkpoint_digest(find_checkpoint(path))
        except ValueError as error:
            raise UserError(f"{where}.checkpoint: {error}") from None
        for file in find_files(entry["path"], ".parquet"):
            said = _checkpoint_of(file)
            if said != wanted:
                raise UserError(
                    f"{where}: {file} holds embeddings of {said[:12] or 'no checkpoint that it names'}, not of {path}, "
                    f"which is {wanted[:12]}: embed the data with that one, or name the checkpoint that they are of"
                )


def _checkpoint_of(file: Any) -> str:
    try:
        return (pq.read_schema(file).metadata or {}).get(b"checkpoint", b"").decode()
    except (pa.ArrowException, OSError):
        return ""
