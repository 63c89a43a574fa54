"""Image-to-image retrieval: every image asks for the others of its class (GPR1200, Schall et al. 2021)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int64

from input_pipeline.errors import UserError
from vlp.evaluation.exhibits import Exhibit, Searches
from vlp.evaluation.figures import chance_average_precision, chance_within
from vlp.evaluation.protocols import Encoder, OnSets
from vlp.evaluation.retrieval.exhibits import pictures_of, search, spread
from vlp.neighbours.precisions import precisions


@dataclass(frozen=True)
class ImageRetrieval(OnSets):
    """Mean average precision and recall@1 of images for the other images of their label or group.

    Every image with another of its class asks; all others are candidates, those without a class as well.
    """

    relevant: str

    reads: ClassVar[frozenset[str]] = frozenset({"image"})

    def __call__(self, model: Encoder) -> dict[str, float]:
        return {name: float(np.mean(values)) for name, values in self.outcomes(model).items()}

    def outcomes(self, model: Encoder) -> dict[str, Float[np.ndarray, " queries"]]:
        """Returns of every query its average precision, and whether the first one found is right."""
        found: dict[str, Float[np.ndarray, " queries"]] = {}
        for name in self.sets:
            classes, queries = self._classes(name)
            rows = model.encode_image_array(self.data[name].images)
            average, first = precisions(rows, classes, queries)
            found[f"{self.name}/{name}/mean_average_precision"] = average
            found[f"{self.name}/{name}/recall@1"] = first.astype(float)
        return found

    def chance(self) -> dict[str, float]:
        chance: dict[str, float] = {}
        for name in self.sets:
            classes, queries = self._classes(name)
            others = np.bincount(classes[queries])[classes[queries]] - 1
            right, count = np.unique(others, return_counts=True)
            expected = [chance_average_precision(own, len(classes) - 1) for own in right.tolist()]
            where = f"{self.name}/{name}"
            chance[f"{where}/mean_average_precision"] = float(np.average(expected, weights=count))
            chance[f"{where}/recall@1"] = chance_within(1, others.tolist(), len(classes) - 1)
        return chance

    def exhibits(self, model: Encoder) -> Iterable[Exhibit]:
        """Yields some images, evenly spread over the set, and what stands next to them."""
        for name in self.sets:
            classes, queries = self._classes(name)
            pictures = pictures_of(self.data[name])
            rows = model.encode_image_array(self.data[name].images)
            shown = []
            for query in queries[spread(len(queries))]:
                others = np.delete(np.arange(len(rows)), query)
                right = classes[others] == classes[query]
                shown.append(search(pictures[query], rows[query], rows[others], pictures, others, right))
            yield Searches(f"{name}: images of the same {self.relevant}", shown)

    def _classes(self, name: str) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " q"]]:
        """The class of each image, -1 where there is none, and the images that have another of theirs."""
        data = self.data[name]
        names = data.groups if self.relevant == "group" else data.labels
        known, classes, counts = np.unique(names, return_inverse=True, return_counts=True)
        queries = np.flatnonzero((counts[classes] > 1) & (known[classes] != ""))
        if not len(queries):
            raise UserError(f"no two images of evaluation set {name!r} share a {self.relevant}: take it out")
        return np.where(known[classes] != "", classes, -1), queries
