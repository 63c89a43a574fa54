"""Whether the classes of a set are clusters of its image embeddings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import ClassVar

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, Int32

from input_pipeline.errors import UserError
from vlp.clustering import KMeans, cluster, nearest_centres
from vlp.evaluation.cache import LatestModel
from vlp.evaluation.exhibits import Exhibit, Map, Table
from vlp.evaluation.figures import matched, matched_accuracy
from vlp.evaluation.protocols import Encoder, OnSets
from vlp.evaluation.retrieval.exhibits import spread
from vlp.evaluation.texts.class_names import labelled_classes
from vlp.parallel.mesh import local_mesh

SHOWN = 20  # clusters
MAPPED = 400  # images of a map


def clusters_of(rows: Float[np.ndarray, "n dim"], k: int, *, iterations: int) -> Int32[np.ndarray, " n"]:
    """Returns the cluster of each unit row by spherical k-means; each process finds the same, alone."""
    settings, mesh = KMeans(k=k, iterations=iterations, spherical=True), local_mesh()
    with jax.set_mesh(mesh):
        found = cluster(rows, settings, mesh)
        assigned = [ids[:, 0] for ids, _ in nearest_centres(rows, found.centres, 1, settings, mesh)]
    return np.concatenate(assigned)


def cluster_figures(clusters: Int[np.ndarray, " n"], classes: Int[np.ndarray, " n"]) -> dict[str, float]:
    """Returns the adjusted Rand index and adjusted mutual information, both 0 for chance and 1 for the classes
    themselves, and the accuracy of the best one-to-one matching of clusters and classes."""
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

    return {
        "adjusted_rand": float(adjusted_rand_score(classes, clusters)),
        "adjusted_mutual_information": float(adjusted_mutual_info_score(classes, clusters)),
        "matched_accuracy": matched_accuracy(clusters, classes),
    }


def discovered(
    clusters: Int[np.ndarray, " n"], classes: Int[np.ndarray, " n"], old: Bool[np.ndarray, " n"]
) -> dict[str, float]:
    """Returns the accuracy on examples of classes that were known and of those that were not, by the one matching of
    all clusters and all classes (category discovery: Vaze et al. 2022, arXiv 2201.02609; GPC, 2305.06144)."""
    right = matched(clusters, classes)
    return {"old_accuracy": float(right[old].mean()), "new_accuracy": float(right[~old].mean())}


@dataclass(frozen=True)
class Clusters(OnSets):
    """k-means of the image embeddings, with as many clusters as there are classes, against the labels.

    Attributes:
      iterations: of k-means.
      old: labels that the model was told, or patterns of them; the others are new to it. () = nothing is said of that.
    """

    iterations: int
    old: tuple[str, ...]

    reads: ClassVar[frozenset[str]] = frozenset({"image"})

    def check(self) -> None:
        for name in self.sets:
            classes, _, indices = self._classes(name)
            told = self._told(classes)[indices]
            if self.old and (told.all() or not told.any()):
                raise UserError(
                    f"evaluators.{self.name}.old: of {len(told)} labelled images of set {name!r} {told.sum()} are of "
                    "old classes, and it takes both old and new ones"
                )

    def __call__(self, model: Encoder) -> dict[str, float]:
        figures: dict[str, float] = {}
        for name in self.sets:
            classes, _, indices = self._classes(name)
            clusters = self._clusters(model, name)
            own = cluster_figures(clusters, indices)
            if self.old:
                own |= discovered(clusters, indices, self._told(classes)[indices])
            figures |= {f"{self.name}/{name}/{figure}": value for figure, value in own.items()}
        return figures

    def chance(self) -> dict[str, float]:
        """Returns zero for what is adjusted; the best matching of random clusters has no simple expectation."""
        adjusted = ("adjusted_rand", "adjusted_mutual_information")
        return {f"{self.name}/{name}/{figure}": 0.0 for name in self.sets for figure in adjusted}

    def exhibits(self, model: Encoder) -> Iterable[Exhibit]:
        """Yields the largest clusters and what they are made of."""
        for name in self.sets:
            classes, _, indices = self._classes(name)
            clusters = self._clusters(model, name)
            counts = np.zeros((len(classes), len(classes)), np.int64)
            np.add.at(counts, (clusters, indices), 1)
            largest = np.argsort(-counts.sum(axis=1), kind="stable")[:SHOWN]
            rows = [(str(counts[row].sum()), _composition(counts[row], classes)) for row in largest]
            yield Table(f"Largest clusters of {name}", ("images", "classes"), rows)
            yield self._map(model, name)

    def _map(self, model: Encoder, name: str) -> Map:
        """Some images in two dimensions (t-SNE, van der Maaten & Hinton 2008), the same for every model."""
        from sklearn.manifold import TSNE

        classes, labelled, indices = self._classes(name)
        chosen = spread(len(labelled), MAPPED)
        rows = model.encode_image_array(self.data[name].images)[labelled][chosen].astype(np.float32)
        near = min(30.0, max(1.0, (len(rows) - 1) / 3))
        points = (
            TSNE(init="pca", perplexity=near, max_iter=500, random_state=0).fit_transform(rows)
            if len(rows) > 3
            else rows[:, :2]
        )
        wide = [classes[at].partition("/")[0] for at in indices[chosen]]
        return Map(f"Where images of {name} lie", points, wide)

    @cached_property
    def _found(self) -> LatestModel:
        return LatestModel()

    def _told(self, classes: list[str]) -> Bool[np.ndarray, " classes"]:
        return np.array([any(fnmatchcase(one, pattern) for pattern in self.old) for one in classes])

    def _classes(self, name: str) -> tuple[list[str], np.ndarray, np.ndarray]:
        return labelled_classes(name, self.data[name].labels)

    def _clusters(self, model: Encoder, name: str) -> Int32[np.ndarray, " n"]:
        def compute() -> Int32[np.ndarray, " n"]:
            classes, labelled, _ = self._classes(name)
            rows = model.encode_image_array(self.data[name].images)[labelled]
            return clusters_of(rows, len(classes), iterations=self.iterations)

        return self._found.once(model, name, compute)


def _composition(counts: Int[np.ndarray, " classes"], classes: list[str]) -> str:
    first = np.argsort(-counts, kind="stable")[:3]
    return ", ".join(
        f"{classes[place]} {counts[place] / counts.sum():.0%}" for place in first if counts[place]
    )
