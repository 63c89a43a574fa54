"""Near-equal embeddings: Less is More (Wolf et al., 2024, arXiv 2410.14524) by features, and what SemDeDup shares.

In order, an image stays unless the embedding of one of its group that stayed is nearer than `distance`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int

from input_pipeline.curation import Decision, Item
from input_pipeline.curation.groups import Gathered, group_of, near_scores, packed, settled, unpacked
from input_pipeline.curation.near import Near
from input_pipeline.curation.where import fields_of
from vlp.curation.embedded import EmbeddedStep
from vlp.curation.nearness import Rows, near_before


class NearImages(EmbeddedStep):
    """Drops images whose embedding is near to that of an earlier one of their group."""

    COLUMNS: ClassVar[Mapping[str, str]] = {"distance": "float32", "nearest": "int64"}
    surveys = True

    def __init__(self, config: Mapping[str, Any], *, name: str, seed: int) -> None:
        """Knows no copies yet."""
        super().__init__(config, name=name, seed=seed)
        self.reads = fields_of(config.get("group", ""))
        self._distance, self._nearest = np.zeros(0, np.float32), np.zeros(0, np.int64)

    def survey(self, items: Sequence[Item]) -> Any:
        """Says where the embedding of every image that has one is: [number, group, its own number]."""
        found = ((item, self.embedded.image_number(item.source, item.record.id)) for item in items)
        return [
            (item.number, group, image)
            for item, image in found
            if image is not None and (group := self.group(item)) is not None
        ]

    def settle(self, surveys: Iterator[Any]) -> Any:
        """Finds, group by group, which images stay; of the others the distance to the nearest one before them."""
        gathered = Gathered.of(surveys)
        images = np.array(gathered.values, np.int64)
        near = settled(
            gathered,
            lambda some: self.near(
                lambda rows: self.embedded.image_rows(images[rows]),
                some,
                gathered.names[gathered.groups[some[0]]],
            ),
        )
        return {"distance": packed(near.distance), "nearest": packed(near.place)}

    def begin(self, plan: Any) -> None:
        """Takes what was found."""
        self._distance, self._nearest = unpacked(plan["distance"]), unpacked(plan["nearest"])

    def __call__(self, item: Item) -> Decision:
        """Drops those that are near another."""
        distance, nearest = near_scores(item, self._distance, self._nearest)
        if distance is None:
            return self.without_image(item)
        if nearest < 0:
            return Decision()
        said = f"cosine {1 - distance:.4f} with row {nearest} of scores.parquet"
        return Decision("near-duplicate", said, {"distance": distance, "nearest": nearest})

    def group(self, item: Item) -> Any:
        """Returns what an image is compared within; None = it is not."""
        return group_of(item, self.config["group"])

    def near(self, rows: Rows, some: Int[np.ndarray, " n"], group: Any) -> Near:
        """Finds what is near what in a group.

        Args:
          rows: gives embeddings by their places among all.
          some: places of the group's.
          group: its name.
        """
        return near_before(lambda places: rows(some[places]), len(some), self.config["distance"], greedy=True)
