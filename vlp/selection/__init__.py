"""Which rows of a batch are trained on; `configs/settings/selection` names the kinds."""

from __future__ import annotations

from typing import Any

from vlp.configuration.parts import find_part
from vlp.configuration.selected import active, trained_rows
from vlp.selection.base import Selector


def active_selector(config: Any) -> Selector | None:
    """Builds the one selector whose ratio is not zero; None where every row is trained on.

    Args:
      config: the whole resolved config.
    """
    for name, entry in active(config).items():
        kind = find_part("selection", entry.kind, f"selection.{name}").load()
        selector: Selector = kind(entry, name=name, rows=trained_rows(config))
        return selector
    return None
