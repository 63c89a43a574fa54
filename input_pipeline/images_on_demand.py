"""Images of a set that is too large to hold: an array to read from, whose rows are decoded when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Int, UInt8

from input_pipeline.views.resize import Square


class ImagesOnDemand:
    """Reads like an array of shape [n, resolution, resolution, 3]; only what is indexed exists, and only meanwhile."""

    dtype = np.dtype(np.uint8)

    def __init__(
        self, load: Callable[[int], Square], indices: Sequence[int], resolution: int, threads: int
    ) -> None:
        """Reads nothing yet.

        Args:
          load: decodes one image by its index.
          indices: of the images, in order; each can be decoded.
          resolution: of the decoded images.
          threads: to decode in.
        """
        self._load, self._indices, self._threads = load, np.asarray(indices), threads
        self.shape = (len(indices), resolution, resolution, 3)
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(
        self, rows: int | slice | Int[np.ndarray, " m"]
    ) -> UInt8[np.ndarray, "*m resolution resolution 3"]:
        wanted = self._indices[rows]
        if wanted.ndim == 0:
            return self._load(int(wanted))
        with ThreadPoolExecutor(self._threads) as pool:
            images = list(pool.map(self._load, wanted.tolist()))
        return np.stack(images) if images else np.zeros((0, *self.shape[1:]), self.dtype)
