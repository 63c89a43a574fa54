"""Whether the classes of a set are clusters of its image embeddings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import jax
import numpy as np
from jaxtyping import Float, Int, Int32

from vlp.clustering import KMeans, cluster, nearest_centres
from vlp.evaluation.cache import LatestModel
from vlp.evaluation.exhibits import Exhibit, Table
from vlp.evaluation.figures import matched_accuracy
from vlp.evaluation.protocols import Encoder, OnSets
from vlp.evaluation.texts.class_names import labelled_classes
from vlp.parallel.mesh import local_mesh

SHOWN = 20  # clusters


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


@dataclass(frozen=True)
class Clusters(OnSets):
    """k-means of the image embeddings, with as many clusters as there are classes, against the labels."""

    iterations: int

    reads: ClassVar[frozenset[str]] = frozenset({"image"})

    def check(self) -> None:
        for name in self.sets:
            self._classes(name)

    def __call__(self, model: Encoder) -> dict[str, float]:
        return {
            f"{self.name}/{name}/{figure}": value
            for name in self.sets
            for figure, value in cluster_figures(self._clusters(model, name), self._classes(name)[2]).items()
        }

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

    @cached_property
    def _found(self) -> LatestModel:
        return LatestModel()

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
