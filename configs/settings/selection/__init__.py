"""Which rows of a batch are trained on, chosen in the step by a frozen model and the one that learns: a file a kind."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import share_below_one

COMMON = {"ratio": share_below_one(0.0, "of a batch's rows that are not trained on; 0 = absent")}


def active(config: Any) -> dict[str, Any]:
    """Returns the entries of `selection` that leave something out."""
    return {name: entry for name, entry in config.selection.items() if entry.ratio}


def trained_rows(config: Any) -> int:
    """Returns how many rows of a batch are trained on.

    Raises:
      ValueError: two entries choose.
    """
    chosen = active(config)
    if len(chosen) > 1:
        raise ValueError(
            f"selection.{' and selection.'.join(chosen)} both choose rows: set the ratio of all but one to 0"
        )
    return round(config.batch_size * (1 - sum(entry.ratio for entry in chosen.values())))
