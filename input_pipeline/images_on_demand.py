"""Images of a set that is too large to hold: an array to read from, whose rows are decoded when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Int

from input_pipeline.views.frames import Frame, Shown


class ImagesOnDemand:
    """Reads like an array of images, as [n, resolution, resolution, 3]; only what is indexed exists, and only
    meanwhile."""

    def __init__(
        self, load: Callable[[int], Shown], indices: Sequence[int], frame: Frame, threads: int
    ) -> None:
        """Reads nothing yet.

        Args:
          load: decodes one image by its index.
          indices: of the images, in order; each can be decoded.
          frame: of the decoded images.
          threads: to decode in.
        """
        self._load, self._indices, self._threads = load, np.asarray(indices), threads
        self._none: Shown = np.zeros(0, frame.dtype)
        self.dtype, self.shape = self._none.dtype, (len(indices), *self._none.shape[1:])
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: int | slice | Int[np.ndarray, " m"]) -> Shown:
        wanted = self._indices[rows]
        if wanted.ndim == 0:
            return self._load(int(wanted))
        with ThreadPoolExecutor(self._threads) as pool:
            images = list(pool.map(self._load, wanted.tolist()))
        return np.stack(images) if images else self._none
