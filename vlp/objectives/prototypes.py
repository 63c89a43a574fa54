"""Prototypes of clusters that are found anew for every stretch of data: ProtoCLIP (arXiv 2206.10996)."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from vlp.encodings import Encodings
from vlp.kernels import KERNELS
from vlp.kernels.loss import Loss
from vlp.kernels.prototypes import cluster_means, prototype_targets
from vlp.kernels.unit import unit
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import mlp_flops
from vlp.models.heads import MlpHead
from vlp.objectives.base import Episode, Objective, ObjectiveOutput, Remembered


class Term(NamedTuple):
    """Rows of one modality against prototypes by the labels of another, or of a teacher."""

    student: str
    labels: str
    weight: float
    temperature: float


class Prototypes(Objective):
    """Each modality should look like the prototype of the cluster that the other one's feature fell into.

    An episode's features are clustered before its steps (see `Episode`): prototypes are means of a modality's own
    features over the other's clusters (prototypical back translation), targets are softened by how alike the other's
    centroids are. A teacher's embeddings, precomputed by record, give further labels, always hard as in the public
    code. The first episode has no clusters and no loss; from `stop_step` on there is none either (the final LiT phase).
    """

    episode: Episode

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds heads, scale and the memory of an episode.

        Args:
          config: `objectives.prototypes` of the config.
          model: for the width of its embeddings.
          rngs: initial values; the two heads start as copies of each other.
        """
        self.stop_step, self.translate, self.teacher = (
            config.stop_step,
            config.back_translation,
            config.teacher,
        )
        self.fields = ("image", "text", "text_mask", *([self.teacher] if self.teacher else []))
        self.episode = Episode(config.episode_size, config.clusters, config.iterations)
        key, widths = rngs.params(), (model.embed_dim, config.head_width, config.dim)
        self.widths = widths
        make_head = functools.partial(MlpHead, widths, compute=model.compute, batch_norm=True)
        self.heads = nnx.Dict(
            {
                name: make_head(rngs=nnx.Rngs(params=key), last_bias=config.last_bias)
                for name in ("image", "text")
            }
        )
        self.log_scale = nnx.Param(jnp.float32(math.log(1 / 0.07)), bounds=(0.0, math.log(100.0)))
        self.terms: tuple[Term, ...] = (
            Term("image", "text", 0.5, config.temperature),
            Term("text", "image", 0.5, config.temperature),
        )
        dims = {"image": config.dim, "text": config.dim}
        if self.teacher:
            weight = 0.5 * config.teacher_weight
            self.terms += (Term("image", "teacher", weight, 0.0), Term("text", "teacher", weight, 0.0))
            dims["teacher"] = config.teacher_dim
        self.clusterings = Remembered(jnp.zeros((), jnp.int32))
        self.empty = Remembered(jnp.zeros(()))
        k, size = config.clusters, config.episode_size
        self.labels = nnx.Dict({name: Remembered(jnp.zeros(size, jnp.int32)) for name in dims})
        self.centroids = nnx.Dict({name: Remembered(jnp.zeros((k, dim))) for name, dim in dims.items()})
        self.prototypes = nnx.Dict(
            {
                f"{term.student}_by_{term.labels}": Remembered(jnp.zeros((k, config.dim)))
                for term in self.terms
            }
        )

    def episode_features(
        self, encodings: Encodings, *, training: bool = False
    ) -> dict[str, Float[Array, "batch dim"]]:
        """Returns unit features of both modalities, and of the teacher where there is one."""
        features = {"image": encodings.image_features(), "text": encodings.text_features()}
        rows = {name: unit(self.heads[name](x, training=training)) for name, x in features.items()}
        return rows | ({"teacher": unit(encodings.batch[self.teacher])} if self.teacher else {})

    def remember(
        self,
        features: Mapping[str, Float[Array, "episode dim"]],
        centroids: Mapping[str, Float[Array, "clusters _"]],
        labels: Mapping[str, Int[Array, " episode"]],
    ) -> None:
        """Takes the clusters of the episode that begins.

        Args:
          features: of `episode_features`, for the whole episode in the order of its steps.
          centroids: of each kind of feature.
          labels: the nearest centroid of each.
        """
        k = self.episode.clusters
        for name, label in labels.items():
            self.labels[name][...], self.centroids[name][...] = label, centroids[name]
        for term in self.terms:
            mean = cluster_means(features[term.student], labels[term.labels], k)
            own = mean if self.translate else centroids[term.labels]
            self.prototypes[f"{term.student}_by_{term.labels}"][...] = own
        sizes = jnp.stack([jnp.bincount(label, length=k) for label in labels.values()])
        self.empty[...] = (sizes == 0).mean(dtype=jnp.float32)
        self.clusterings[...] += 1

    def flops(self) -> float:
        """Counts both heads, and the scores of every term against its prototypes."""
        scores = 2 * self.widths[-1] * self.episode.clusters
        return 2 * mlp_flops(self.widths) + len(self.terms) * scores

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the sum over the terms; zero before the first clusters and from `stop_step` on."""
        features = self.episode_features(encodings, training=True)
        batch = len(features["image"])
        # An episode is whole batches; the product of step and batch is beyond 32 bits from 2^31 pairs on.
        first = encodings.step % (self.episode.size // batch) * batch
        active = (self.clusterings[...] > 0) & ((encodings.step < self.stop_step) | (self.stop_step == 0))
        loss = Loss(jnp.zeros(()), jnp.float32(batch))
        metrics: dict[str, Float[Array, ""]] = {
            "logit_scale": jnp.exp(self.log_scale[...]),
            "empty": self.empty[...],
        }
        for term in self.terms:
            labels = jax.lax.dynamic_slice_in_dim(self.labels[term.labels][...], first, batch)
            one, watched = self._term(features[term.student], term, labels)
            loss = Loss(loss.total + active * term.weight * one.total, loss.weight)
            metrics |= {f"{term.student}_by_{term.labels}/{name}": value for name, value in watched.items()}
        return ObjectiveOutput(loss, metrics)

    def _term(
        self, rows: Float[Array, "batch dim"], term: Term, labels: Int[Array, " batch"]
    ) -> tuple[Loss, dict[str, Float[Array, ""]]]:
        prototypes = self.prototypes[f"{term.student}_by_{term.labels}"][...]
        scores = jnp.exp(self.log_scale[...]) * rows @ prototypes.T
        targets = prototype_targets(self.centroids[term.labels][...], labels, term.temperature)
        likely = jax.nn.log_softmax(scores, axis=1)
        watched = {
            "accuracy": (likely.argmax(axis=1) == labels).mean(dtype=jnp.float32),
            "entropy": -(jnp.exp(likely) * likely).sum(axis=1).mean(),
        }
        return KERNELS["softmax"](scores, targets), watched
