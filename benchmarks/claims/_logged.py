"""Figures of the last line of a run's log, for what no evaluator asks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path


def logged(name: str, of: str = "") -> Callable[[Path], float | None]:
    """Returns a function of a run's folder: a metric there, or what part it is of another."""

    def figure(folder: Path) -> float | None:
        path = folder / "metrics.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        found = [row for row in map(json.loads, lines) if name in row]
        if not found:
            return None
        return float(found[-1][name]) / (float(found[-1][of]) if of else 1.0)

    figure.__qualname__ = f"{name} {of}".strip()
    return figure
