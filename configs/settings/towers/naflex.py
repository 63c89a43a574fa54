"""Makes a transformer over patches of images at their own aspect ratio small: its positions follow them."""

from __future__ import annotations

from typing import Any

from configs.settings.towers import transformer

TINY = transformer.TINY


def fitted(settings: Any) -> dict[str, Any]:
    """Returns a budget of 36 patches, which squares fill, and positions for four a side."""
    return {"resolution": 4 * settings.patch_size, "patches": 36}
