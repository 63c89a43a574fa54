"""Categories that nobody has named, found beside those that have labels, and their prototypes: GPC."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int

from input_pipeline.errors import UserError
from vlp.encodings import Encodings
from vlp.given import Context
from vlp.kernels.loss import Loss
from vlp.kernels.softmax import softmax
from vlp.kernels.unit import unit
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import mlp_flops
from vlp.models.heads import MlpHead
from vlp.objectives.base import Episode, Objective, ObjectiveOutput, Remembered
from vlp.objectives.mixtures import (
    Components,
    Prior,
    densities,
    first_centres,
    pinned_k_means,
    split_and_merge,
)
from vlp.objectives.rows import among_views
from vlp.objectives.targets import not_self, other_view, same_id


class Discovery(Objective):
    """Two views of an image against each other, those with a label against their label, and against prototypes.

    GPC (arXiv 2305.06144): before an episode its features are clustered by k-means in which labelled images stay with
    their label, and components are split and merged by a likelihood until their number settles. Both views go through
    the same tower. The mixture is found on principal components of the features.
    """

    episode: Episode

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs, context: Context):
        """Builds the head and the memory of an episode.

        Args:
          config: `objectives.discovery`; see configs/settings.
          model: whose image tower is trained.
          rngs: initial values of the head.
          context: how many labels there are.

        Raises:
          ValueError: there are as many labels as components there may be.
        """
        known, width = context.labels[config.labels], model.image.width
        if known >= config.clusters:
            raise UserError(
                f"objectives.discovery.clusters={config.clusters} must be more than the {known} labels of "
                f"data.labels.{config.labels}, each of which has a component"
            )
        self.widths = (width, config.hidden_width, config.width)
        self.head = MlpHead(self.widths, compute=model.compute, rngs=rngs)
        names = (
            "rounds",
            "start",
            "clusters",
            "components",
            "iterations",
            "kappa",
            "spread",
            "accept",
            "density",
        )
        settings = {name: config[name] for name in names}
        find = functools.partial(discovered, known=known, **settings)
        self.episode = Episode(config.episode_size, config.clusters, config.iterations, find)
        self.prototypes = Remembered(jnp.zeros((config.clusters, width)))
        self.density = Remembered(jnp.zeros(config.clusters))  # 0: there is no such component
        self.assigned = Remembered(jnp.zeros(config.episode_size, jnp.int32))
        self.label_weight, self.prototype_weight = config.label_weight, config.prototype_weight
        self.view_temperature, self.label_temperature = config.view_temperature, config.label_temperature
        self.view, self.labels, self.chunk = config.view, f"{config.labels}_ids", config.chunk
        self.fields, self.raw = (self.view, self.labels), (self.labels,)
        self.limits = {self.labels: ("labels", known)}

    def flops(self) -> float:
        """Counts the head and the scores of both views."""
        return 2.0 * (mlp_flops(self.widths) + 2 * self.widths[0] * self.episode.clusters)

    def episode_features(self, encodings: Encodings) -> dict[str, Float[Array, "batch dim"]]:
        """Returns unit features of the first view, and the labels."""
        features = unit(encodings.image_tower(self.view).pooled[:, 0])
        return {"image": features, "labels": encodings.batch[self.labels][:, :1].astype(jnp.float32)}

    def remember(
        self,
        features: Mapping[str, Float[Array, "episode dim"]],
        centroids: Mapping[str, Float[Array, "clusters ..."]],
        labels: Mapping[str, Int[Array, " episode"]],
    ) -> None:
        """Takes the components of the episode that begins."""
        del features
        self.prototypes[...] = unit(centroids["image"])
        self.density[...], self.assigned[...] = centroids["density"], labels["image"]

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over the images; before the first episode there are no prototypes."""
        pooled = encodings.image_tower(self.view).pooled.swapaxes(0, 1)
        labels = encodings.batch[self.labels][:, 0]
        batch = len(labels)
        contrast = self.contrast(unit(self.head(pooled)), labels)
        first = encodings.step % (self.episode.size // batch) * batch
        wanted = jax.lax.dynamic_slice_in_dim(self.assigned[...], first, batch)
        there = self.density[...] > 0
        near = jnp.where(there.any(), self.to_prototypes(unit(pooled), wanted, there), 0.0)
        total = (contrast + self.prototype_weight * near) * batch
        metrics = {
            "categories": there.sum(dtype=jnp.float32),
            "prototype_loss": near,
            "labelled": (labels >= 0).mean(dtype=jnp.float32),
        }
        return ObjectiveOutput(Loss(total, jnp.asarray(batch, total.dtype)), jax.lax.stop_gradient(metrics))

    def contrast(self, views: Float[Array, "2 batch dim"], labels: Int[Array, " batch"]) -> Float[Array, ""]:
        """Computes NT-Xent of all images, and SupCon of those with a label (equation 2).

        Args:
          views: unit rows.
          labels: of the images; -1 is none.
        """
        batch, numbers = len(labels), jnp.stack([labels, labels])
        places, everything = jnp.arange(2 * batch).reshape(2, batch), numbers.reshape(-1)

        def alike(own: Int[Array, " rows"]) -> tuple[Array, Array]:
            return other_view(own, batch, 2), not_self(own, 2 * batch)

        def named(own: Int[Array, " rows"], number: Int[Array, " rows"]) -> tuple[Array, Array]:
            known = (number >= 0)[:, None] & (everything >= 0)
            return same_id(number, everything), known & not_self(own, 2 * batch)

        losses = functools.partial(among_views, softmax, views, chunk=self.chunk)
        unnamed, _ = losses(alike, places, scale=1 / self.view_temperature)
        labelled, _ = losses(named, places, numbers, scale=1 / self.label_temperature)
        return (1 - self.label_weight) * unnamed.mean() + self.label_weight * labelled.mean()

    def to_prototypes(
        self,
        views: Float[Array, "2 batch width"],
        wanted: Int[Array, " batch"],
        there: Bool[Array, " clusters"],
    ) -> Float[Array, ""]:
        """Computes the mean of both views' cross-entropies, each prototype at its own temperature (equation 4)."""
        temperatures = jnp.where(there, self.density[...], 1.0)
        targets = jax.nn.one_hot(wanted, len(temperatures))
        losses = [
            softmax(view @ self.prototypes[...].T / temperatures, targets, mask=there[None]).mean()
            for view in views
        ]
        return (losses[0] + losses[1]) / 2


def discovered(
    features: Mapping[str, np.ndarray],
    mesh: Mesh,
    seed: int,
    *,
    known: int,
    rounds: int,
    start: int,
    clusters: int,
    components: int,
    iterations: int,
    kappa: float,
    spread: float,
    accept: float,
    density: float,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Finds the components of an episode, on the host and the same on all of them.

    Args:
      features: of `Discovery.episode_features`.
      mesh: unused.
      seed: of everything random.
      known: labels that there are; their components stand first.
      rounds: of splits and merges.
      start: components at first; 0 = twice as many as labels.
      clusters: that there may be.
      components: principal ones that the likelihood sees.
      iterations: of k-means in each round.
      kappa: of the prior.
      spread: of the prior's covariance.
      accept: probability of a split or merge that the likelihood refuses.
      density: mean of the components' temperatures.
    """
    del mesh
    dice, points = np.random.default_rng(seed), np.asarray(features["image"], np.float64)
    pins = np.asarray(features["labels"], np.int64)[:, 0]
    _, _, axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    seen = (points - points.mean(axis=0)) @ axes[:components].T
    prior = Prior(seen.mean(axis=0), kappa, seen.shape[1] + 1.0, spread)
    centres = first_centres(seen, pins, known, start or 2 * known, dice)[:clusters]
    for _ in range(rounds):
        found = pinned_k_means(seen, pins, centres, iterations)
        centres = split_and_merge(seen, known, found, prior, dice, accept=accept, most=clusters)
    labels = pinned_k_means(seen, pins, centres, iterations).labels
    means = np.zeros((clusters, points.shape[1]))
    for number in np.unique(labels):
        means[number] = points[labels == number].mean(axis=0)
    there = np.unique(labels)
    temperatures = np.zeros(clusters)
    places = np.searchsorted(there, labels)
    temperatures[there] = np.maximum(
        densities(points, Components(means[there], places), density), density / 10
    )
    return (
        {"image": means.astype(np.float32), "density": temperatures.astype(np.float32)},
        {"image": labels.astype(np.int32)},
    )
