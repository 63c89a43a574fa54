"""Makes a transformer over patches small: its resolution follows them."""

from __future__ import annotations

from typing import Any

from configs.settings.towers import transformer

TINY = transformer.TINY


def fitted(settings: Any) -> dict[str, Any]:
    """Returns a resolution of four patches a side."""
    return {"resolution": 4 * settings.patch_size}
