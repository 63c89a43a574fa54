"""What is asked of a clustering."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class KMeans:
    """Holds what is asked for.

    Attributes:
      k: number of centres.
      iterations: at most so many; fewer once no centre moves.
      init: 'kmeans++' or 'random', see `vlp.clustering.initial`.
      spherical: points and centres of length 1, so that the nearest centre is the one of the highest cosine.
      seed: of the first centres; nothing else is random.
      chunk_points: points on all devices at a time.
      chunk_centres: centres whose scores a device holds at a time.
    """

    k: int
    iterations: int = 20
    init: str = "kmeans++"
    spherical: bool = False
    seed: int = 0
    chunk_points: int = 65536
    chunk_centres: int = 2048
