"""Embeddings of a held tower that were stored, in the place of running it: which batch fields they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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


class StoredInstead(dict[str, Any]):
    """Batch fields, some of which are not there because what a tower makes of them is stored."""

    def __missing__(self, name: str) -> Any:
        tower = name.removesuffix("_mask")
        if not {FRONT + tower, FRONT + tower + OUTPUTS} & self.keys():
            raise KeyError(name)
        raise UserError(
            f"data.stored.{tower} holds embeddings, and an active objective reads what the {tower} tower gives before "
            f"them, such as its tokens, or is given: leave data.stored.{tower} empty"
        )


def with_stored(batch: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns a batch that says of a field it lacks what is stored in its place."""
    return StoredInstead(batch) if any(name.startswith(FRONT) for name in batch) else batch


def without_stored(batch: Mapping[str, Any], views: Collection[str]) -> dict[str, Any]:
    """Returns a batch without the rows that stand for some of its views, which are about to be others."""
    rows = {f"{FRONT}{view}{end}" for view in views for end in ("", OUTPUTS)}
    return {name: value for name, value in batch.items() if name not in rows}
