"""DataComp's image-based filter (Gadre et al., 2023, arXiv 2304.14108): clusters that images of known classes are in.

The paper clusters its pool into 100,000 and keeps the clusters whose centre is the nearest to a training image of
ImageNet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float32

from input_pipeline.curation import Decision, Item
from input_pipeline.errors import UserError
from input_pipeline.sources.paths import find_folder
from input_pipeline.tables import Table, load_table
from vlp.curation.embedded import EmbeddedStep, Lookup

_CHUNK = 4096  # images of known classes that are compared at a time


class NearClasses(EmbeddedStep):
    """Drops records whose cluster is the nearest of no image of a set of known classes."""

    COLUMNS: ClassVar[Mapping[str, str]] = {"cluster": "int32"}
    reads = ()

    def __init__(self, config: Mapping[str, Any], *, name: str, seed: int) -> None:
        """Finds the clusters."""
        super().__init__(config, name=name, seed=seed)
        self._folder = find_folder(config["clusters"])
        table = self._folder / "clusters.parquet"
        self._table: Table = load_table("cluster_ids", {"path": str(table), "missing": "skip"})
        self._chosen: frozenset[int] = frozenset()
        self._centres = 0

    def given(self) -> Any:
        """Returns digests of embeddings and clusters."""
        return {**super().given(), "clusters": int(self._table.hashes[0]), "of": len(self._table.hashes)}

    def check_fits(self, source: str, ids: Sequence[str]) -> None:
        """Refuses clusters of other records, and those that another checkpoint saw."""
        begun = self._folder / "embeddings" / "begun_with.json"
        by = json.loads(begun.read_text(encoding="utf-8"))["checkpoint"] if begun.is_file() else ""
        if by and by != self.embedded.checkpoint:
            raise UserError(
                f"curation.{self.name}: the clusters in {self._folder} are by another checkpoint ({by[:16]}) than the "
                f"embeddings in {self.embedded.folder} ({self.embedded.checkpoint[:16]}): make both with one"
            )
        if ids and all(self._table.place(source, identifier) is None for identifier in ids):
            raise UserError(
                f"{self._folder} has no cluster for any of {len(ids)} records of source '{source}' looked at, such as "
                f"'{ids[0]}'; it has some for {self._table.example}"
            )

    def begin(self, plan: Any) -> None:
        """Finds the nearest centre of each image of the known classes."""
        centres: Float32[np.ndarray, "k dim"] = np.load(self._folder / "centres.npy")
        targets = self.embedded.images(self.config["classes"])
        self._centres, self._chosen = len(centres), nearest_of_any(targets, centres)

    def __call__(self, item: Item) -> Decision:
        """Looks the record's cluster up."""
        place = self._table.place(item.source, item.record.id)
        if place is None:
            return Decision("no cluster")
        cluster = int(np.ravel(self._table.values[place])[0])
        return Decision(
            "" if cluster in self._chosen else "far from all classes",
            f"cluster {cluster}",
            {"cluster": cluster},
        )

    def facts(self) -> Mapping[str, Any]:
        """Returns how many clusters there are, and how many are near classes."""
        return {"clusters": self._centres, "near_classes": len(self._chosen)}


def nearest_of_any(rows: Lookup, centres: Float32[np.ndarray, "k dim"]) -> frozenset[int]:
    """Returns the numbers of the centres that are the nearest of at least one row, by cosine."""
    unit = centres / np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    found: set[int] = set()
    for chunk in rows.chunks(_CHUNK):
        found |= {*(chunk.astype(np.float64) @ unit.T.astype(np.float64)).argmax(1).tolist()}
    return frozenset(found)
