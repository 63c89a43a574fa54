"""What makes a tower small enough for a laptop: a file a kind."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any


def tiny(settings: Any) -> dict[str, Any]:
    """Returns the settings that make a tower small; none for a kind without a file, as one of the user's own.

    Args:
      settings: `model.image` or `model.text`, whose kind and patches say which.
    """
    if settings.kind not in {file.name for file in pkgutil.iter_modules(__path__)}:
        return {}
    file = importlib.import_module(f"{__name__}.{settings.kind}")
    return dict(file.TINY, **file.fitted(settings)) if hasattr(file, "fitted") else dict(file.TINY)
