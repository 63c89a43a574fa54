"""The steps of --job=curate: a file a kind; `curate.steps` says which are taken, and in which order."""

from __future__ import annotations

from typing import Any

COMMON: dict[str, Any] = {}
