"""How the embeddings of images and texts lie: alignment, uniformity, gap, rank."""

from __future__ import annotations

from typing import Any

CLASS = "vlp.evaluation.structure.geometry:Geometry"

SETTINGS: dict[str, Any] = {"sets": ("test",)}
