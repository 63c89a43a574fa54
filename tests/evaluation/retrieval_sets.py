"""A small evaluation set with everything that retrieval asks of one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class NamedSet:
    """Images told apart by their pixels alone; what a test does not give is empty."""

    count: int
    captions: list[list[str]] = field(default_factory=list)
    translations: dict[str, list[list[str]]] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    tags: list[list[str]] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.images = np.random.default_rng(self.count).integers(0, 256, (self.count, 4, 4, 3), np.uint8)
        self.ids = [f"image{row}" for row in range(self.count)]
        self.captions = self.captions or [[f"caption {row}"] for row in range(self.count)]
        self.labels = self.labels or [""] * self.count
        self.groups = self.groups or [""] * self.count
        self.tags = self.tags or [[] for _ in range(self.count)]


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    rows = rng.normal(size=shape)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)
