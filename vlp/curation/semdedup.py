"""SemDeDup (Abbas et al., 2023, arXiv 2303.09540): within clusters, images that are near another go.

The images of a cluster come in the order of their distance from its centre, and one goes if the cosine with any image
before it, whether that stays or not, exceeds 1 - `distance` (the paper's epsilon; its appendix has the code).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from input_pipeline.curation import Decision, Item
from input_pipeline.curation.near import Near
from vlp.curation.clusters import NO_CLUSTER, ClusteredStep
from vlp.curation.near_images import NearImages
from vlp.curation.nearness import Rows, near_before

_AT_ONCE = 4096  # rows of a cluster that are compared with its centre


class SemDeDup(ClusteredStep, NearImages):
    """Drops images whose embedding is near to that of another one of their cluster."""

    def check_fits(self, source: str, ids: Sequence[str]) -> None:
        """Refuses embeddings and clusters of other records, or of two checkpoints."""
        super().check_fits(source, ids)
        self.clusters.check_fits(self.embedded, source, ids)

    def group(self, item: Item) -> int | None:
        """Returns the record's cluster."""
        return self.clusters.of(item)

    def near(self, rows: Rows, some: Int[np.ndarray, " n"], group: int) -> Near:
        """Finds what is near what in a cluster, in the wanted order of distances from the centre."""
        order = some[self._order(rows, some, self.clusters.centres[group].astype(np.float64))]
        found = near_before(
            lambda places: rows(order[places]), len(order), self.config["distance"], greedy=False
        )
        back = np.argsort(order)  # `some` ascends
        places = np.where(found.place < 0, -1, np.searchsorted(some, order[found.place]))
        return Near(found.distance[back], places[back])

    def __call__(self, item: Item) -> Decision:
        """Drops those that are near another, and those without a cluster."""
        return Decision(NO_CLUSTER) if self.group(item) is None else super().__call__(item)

    def _order(
        self, rows: Rows, some: Int[np.ndarray, " n"], centre: Float[np.ndarray, " dim"]
    ) -> Int[np.ndarray, " n"]:
        if self.config["keep"] == "first":
            return np.arange(len(some))
        parts = (some[first : first + _AT_ONCE] for first in range(0, len(some), _AT_ONCE))
        cosines = np.concatenate(
            [(rows(part).astype(np.float64) @ centre).astype(np.float32) for part in parts]
        )
        return np.argsort(cosines if self.config["keep"] == "far" else -cosines, kind="stable")
