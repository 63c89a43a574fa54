"""A model and evaluation sets small enough to check every figure by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest


@dataclass
class FakeModel:
    """Encodes by hashing, in padded batches of `batch_size`, and writes down what it was asked."""

    batch_size: int = 4
    dim: int = 6
    logit_scale: float = 10.0
    images_asked: int = 0
    patches_asked: int = 0
    texts_asked: list[str] = field(default_factory=list)

    def encode_image_array(self, images: np.ndarray) -> np.ndarray:
        self.images_asked += len(images)
        return self._in_batches([image.tobytes() for image in images])

    def encode_patch_array(self, images: np.ndarray) -> np.ndarray:
        """A cell for every 2 x 2 pixels, encoded from its own pixels alone."""
        self.patches_asked += len(images)
        side = images.shape[1] // 2
        cells = images.reshape(len(images), side, 2, side, 2, 3).swapaxes(2, 3).reshape(-1, 2, 2, 3)
        return self._in_batches([cell.tobytes() for cell in cells]).reshape(len(images), side, side, -1)

    def encode_text(self, texts: Sequence[str], *, prefix: str = "") -> np.ndarray:
        self.texts_asked += texts
        return self._in_batches([text.encode() for text in texts])

    def _in_batches(self, items: list[bytes]) -> np.ndarray:
        rows = []
        for start in range(0, len(items), self.batch_size):
            batch = items[start : start + self.batch_size]
            padded = batch + [b"padding"] * (self.batch_size - len(batch))
            rows += [self._row(item) for item in padded][: len(batch)]
        return np.stack(rows)

    def _row(self, item: bytes) -> np.ndarray:
        row = np.random.default_rng(list(item)).normal(size=self.dim)
        return (row / np.linalg.norm(row)).astype(np.float32)


@dataclass(frozen=True)
class ArraySet:
    images: np.ndarray
    captions: list[list[str]]
    labels: list[str]
    tags: list[list[str]]

    @property
    def ids(self) -> list[str]:
        return [f"id{row}" for row in range(len(self.labels))]


def make_set(count: int, seed: int = 0) -> ArraySet:
    rng = np.random.default_rng(seed)
    labels = ["animals/fish", "food/fruit", "furniture/living room", "office", "objects/office", "a/b", "a/c"]
    return ArraySet(
        images=rng.integers(0, 256, (count, 4, 4, 3), np.uint8),
        captions=[[f"caption {row} {n}" for n in range(1 + row % 3)] for row in range(count)],
        labels=[labels[row % len(labels)] for row in range(count)],
        tags=[[] for _ in range(count)],
    )


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def model_with() -> Callable[..., FakeModel]:
    return FakeModel


@pytest.fixture
def evaluation_set() -> Callable[..., ArraySet]:
    return make_set
