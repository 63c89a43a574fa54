"""DataComp's image-based filter (Gadre et al., 2023, arXiv 2304.14108): clusters that images of known classes are in.

The paper clusters its pool into 100,000 and keeps the clusters whose centre is the nearest to a training image of
ImageNet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float32

from input_pipeline.curation import Decision, Item
from vlp.curation.clusters import NO_CLUSTER, ClusteredStep
from vlp.curation.embedded import Lookup

_CHUNK = 4096  # images of known classes that are compared at a time


class NearClasses(ClusteredStep):
    """Drops records whose cluster is the nearest of no image of a set of known classes."""

    COLUMNS: ClassVar[Mapping[str, str]] = {"cluster": "int32"}
    reads = ()

    def __init__(self, config: Mapping[str, Any], *, name: str, seed: int) -> None:
        """Knows no clusters near classes yet."""
        super().__init__(config, name=name, seed=seed)
        self._chosen: frozenset[int] = frozenset()

    def check_fits(self, source: str, ids: Sequence[str]) -> None:
        """Refuses clusters of other records, and those that another checkpoint saw."""
        self.clusters.check_fits(self.embedded, source, ids)

    def begin(self, plan: Any) -> None:
        """Finds the nearest centre of each image of the known classes."""
        targets = self.embedded.images(self.config["classes"])
        self._chosen = nearest_of_any(targets, self.clusters.centres)

    def __call__(self, item: Item) -> Decision:
        """Looks the record's cluster up."""
        cluster = self.clusters.of(item)
        if cluster is None:
            return Decision(NO_CLUSTER)
        return Decision(
            "" if cluster in self._chosen else "far from all classes",
            f"cluster {cluster}",
            {"cluster": cluster},
        )

    def facts(self) -> Mapping[str, Any]:
        """Returns how many clusters there are, and how many are near classes."""
        return {"clusters": len(self.clusters.centres), "near_classes": len(self._chosen)}


def nearest_of_any(rows: Lookup, centres: Float32[np.ndarray, "k dim"]) -> frozenset[int]:
    """Returns the numbers of the centres, of length 1, that are the nearest of at least one row."""
    found: set[int] = set()
    for chunk in rows.chunks(_CHUNK):
        found |= {*(chunk.astype(np.float64) @ centres.T.astype(np.float64)).argmax(1).tolist()}
    return frozenset(found)
