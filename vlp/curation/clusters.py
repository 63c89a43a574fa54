"""What --job=cluster left, as steps look it up: the cluster of each record, and the centres."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32

from input_pipeline.curation import Item
from input_pipeline.errors import UserError
from input_pipeline.sources.paths import find_folder
from input_pipeline.tables import Table, load_table
from vlp.curation.embedded import Embedded, EmbeddedStep

NO_CLUSTER = "no cluster"  # what a record without one is dropped for


class Clusters:
    """A folder that --job=cluster has filled."""

    def __init__(self, path: str, step: str) -> None:
        """Reads which record is in which cluster.

        Args:
          path: of the folder.
          step: whose they are, for errors.

        Raises:
          ValueError: there is none.
        """
        self.folder, self._step = find_folder(path), step
        table = self.folder / "clusters.parquet"
        self._table: Table = load_table("cluster_ids", {"path": str(table), "missing": "skip"})

    @functools.cached_property
    def centres(self) -> Float32[np.ndarray, "k dim"]:
        """Centres of length 1."""
        centres: Float32[np.ndarray, "k dim"] = np.load(self.folder / "centres.npy")
        return centres / np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)

    def digest(self) -> dict[str, int]:
        """Returns what tells these clusters from others."""
        return {"clusters": int(self._table.hashes[0]), "of": len(self._table.hashes)}

    def of(self, item: Item) -> int | None:
        """Returns the number of a record's nearest centre; None where it has none."""
        place = self._table.place(item.source, item.record.id)
        return None if place is None else int(np.ravel(self._table.values[place])[0])

    def check_fits(self, embedded: Embedded, source: str, ids: Sequence[str]) -> None:
        """Refuses clusters of other records, and those that another checkpoint saw.

        Raises:
          ValueError: they are.
        """
        begun = self.folder / "embeddings" / "begun_with.json"
        by = json.loads(begun.read_text(encoding="utf-8"))["checkpoint"] if begun.is_file() else ""
        if by and by != embedded.checkpoint:
            raise UserError(
                f"curation.{self._step}: the clusters in {self.folder} are by another checkpoint ({by[:16]}) than the "
                f"embeddings in {embedded.folder} ({embedded.checkpoint[:16]}): make both with one"
            )
        if ids and all(self._table.place(source, identifier) is None for identifier in ids):
            raise UserError(
                f"{self.folder} has no cluster for any of {len(ids)} records of source '{source}' looked at, such as "
                f"'{ids[0]}'; it has some for {self._table.example}"
            )


class ClusteredStep(EmbeddedStep):
    """A step that goes by clusters of the embeddings, too."""

    @functools.cached_property
    def clusters(self) -> Clusters:
        """The folder, opened when the first asks for it: --job=embed has the step's texts before there are any.

        Raises:
          ValueError: there is none.
        """
        return Clusters(self.config["clusters"], self.name)

    def given(self) -> Any:
        """Returns digests of embeddings and clusters."""
        return {**super().given(), **self.clusters.digest()}
