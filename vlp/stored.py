"""Embeddings of a held tower that were stored, in the place of running it: which batch fields they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from input_pipeline.errors import UserError
from vlp.models.families import TOWERS

FRONT, OUTPUTS = "stored_", "_tower"  # of embeddings, and of what towers give before a projection


def stored_fields(data: Any) -> dict[str, str]:
    """Returns the fields that stored rows stand for, and the field of the rows.

    Args:
      data: of the config; `data.stored` names a folder for a tower whose rows are stored.
    """
    settings = data.get("stored", {})
    towers = [tower for tower in TOWERS if settings.get(tower, "")]
    end = OUTPUTS if settings.get("project", False) else ""
    masks = {"text_mask": f"{FRONT}text{end}"} if "text" in towers else {}
    return {tower: FRONT + tower + end for tower in towers} | masks


def stored_rows(batch: Mapping[str, Any], tower: str, view: str) -> Any:
    """Returns the rows of a tower in a batch, of the view that is stored; None where it has to be run."""
    return batch.get(FRONT + tower) if view == tower else None


def refuse_stored(batch: Mapping[str, Any], tower: str, view: str) -> None:
    """Refuses to run a tower of which embeddings alone are there.

    Raises:
      ValueError: says what an objective wanted.
    """
    if view == tower and view not in batch and {FRONT + tower, FRONT + tower + OUTPUTS} & batch.keys():
        raise UserError(
            f"data.stored.{tower} holds embeddings, and an active objective reads what the {tower} tower gives before "
            f"them, such as its tokens: leave data.stored.{tower} empty"
        )
