"""Episodes: before a stretch of steps, its data is encoded with the model as it stands and clustered."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, PyTree, Shaped

from vlp.clustering import KMeans, cluster, nearest_centres
from vlp.given import asked
from vlp.objectives.base import Episode, Objective
from vlp.parallel.sharding import global_batch, replicated
from vlp.pretrainer import Pretrainer
from vlp.training.loop import HostBatch, StepInfo
from vlp.training.state import split
from vlp.training.throughput import StepTimer


@dataclasses.dataclass
class Episodes:
    """Gives one objective the clusters of the next episode; what it remembers is state, saved like all other state.

    The stream is a pure function of the step, so the examples looked at here are the very ones that the steps to come
    will train on, with the same crops and captions, and a run that is resumed within an episode needs nothing again.

    Attributes:
      name: of the objective.
      episode: what it wants.
      graphdef: of the pretrainer.
      batches: this host's part of the global batches from a step on.
      mesh: where batches and points go.
      seed: of the first centres; the episode's first step is added.
      timer: not charged for the time.
      every: steps of an episode.
      steps: of the whole run, after which no episode begins.
      beside: what stands in every batch; see `vlp.given`.
    """

    name: str
    episode: Episode
    graphdef: nnx.GraphDef
    batches: Callable[[int], Iterator[HostBatch]]
    mesh: Mesh
    seed: int
    timer: StepTimer
    every: int
    steps: int
    beside: Mapping[str, PyTree] = dataclasses.field(default_factory=dict)
    at_end: bool = False

    def __post_init__(self) -> None:
        self._encode = jax.jit(self._features, out_shardings=replicated(self.mesh))
        self._remember = jax.jit(self._with_clusters)

    def __call__(self, info: StepInfo) -> None:
        """Clusters the episode that begins after this step and puts the new state in the place of the old one."""
        if info.step >= self.steps:
            return
        with self.timer.paused("clustering"):
            features = self._encoded(info)
            cluster = self.episode.cluster or self._k_means
            centroids, labels = cluster(features, self.mesh, self.seed + info.step)
            rest = self._remember(info.state.params, info.state.rest, features, centroids, labels)
            like = jax.tree.map(lambda leaf: leaf.sharding, info.state.rest)
            info.state = dataclasses.replace(info.state, rest=jax.device_put(rest, like))

    def _encoded(self, info: StepInfo) -> dict[str, np.ndarray]:
        """Features of the next `every` batches, in their order."""
        rows: list[Any] = []
        stream = self.batches(info.step)
        pretrainer, objective = self._objective(info.state.params, info.state.rest)
        fields = asked(objective.fields, (), {one.name: one for one in pretrainer.frozen}).fields
        for batch in itertools.islice(stream, self.every):
            arrays = {**global_batch({name: batch[name] for name in fields}, self.mesh), **self.beside}
            rows.append(jax.device_get(self._encode(info.state.params, info.state.rest, arrays)))
        stream.close()  # type: ignore[attr-defined]  # a generator, whose threads end with it
        return {name: np.concatenate([one[name] for one in rows]) for name in rows[0]}

    def _objective(self, params: PyTree, rest: PyTree) -> tuple[Pretrainer, Objective]:
        pretrainer = nnx.merge(self.graphdef, params, rest, copy=True)
        return pretrainer, pretrainer.objectives[self.name]

    def _features(
        self, params: PyTree, rest: PyTree, batch: dict[str, Shaped[Array, "batch ..."]]
    ) -> dict[str, Array]:
        pretrainer, objective = self._objective(params, rest)
        encodings = pretrainer.encodings(batch, key=None, step=jnp.int32(0))
        return objective.episode_features(encodings)  # type: ignore[attr-defined]

    def _with_clusters(self, params: PyTree, rest: PyTree, *found: Any) -> PyTree:
        pretrainer, objective = self._objective(params, rest)
        objective.remember(*found)  # type: ignore[attr-defined]
        return split(pretrainer)[2]

    def _k_means(
        self, features: Mapping[str, np.ndarray], mesh: Mesh, seed: int
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Centroids and labels of each kind of feature."""
        settings = KMeans(self.episode.clusters, self.episode.iterations, seed=seed)
        centroids = {name: cluster(points, settings, mesh).centres for name, points in features.items()}
        labels = {
            name: np.concatenate(
                [ids[:, 0] for ids, _ in nearest_centres(points, centroids[name], 1, settings, mesh)]
            )
            for name, points in features.items()
        }
        return centroids, labels
