"""Prototypes: means of the features that share a cluster, and what a row should look like to them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from vlp.kernels.distillation import soft_targets


def cluster_means(
    features: Float[Array, "rows dim"], labels: Int[Array, " rows"], clusters: int
) -> Float[Array, "clusters dim"]:
    """Returns the mean of the features of each cluster, not renormalised; zero for a cluster without any.

    With labels from clustering the other modality's features this is prototypical back translation (ProtoCLIP,
    arXiv 2206.10996). An empty cluster's zero row keeps score zero in the softmax, as in the public code.

    Args:
      features: unit vectors.
      labels: in [0, clusters); rows with another label are left out.
      clusters: how many there are.
    """
    sums = jax.ops.segment_sum(features, labels, num_segments=clusters)
    sizes = jax.ops.segment_sum(jnp.ones(len(features), features.dtype), labels, num_segments=clusters)
    return sums / jnp.maximum(sizes, 1.0)[:, None]


def prototype_targets(
    centroids: Float[Array, "clusters dim"], labels: Int[Array, " rows"], temperature: float
) -> Float[Array, "rows clusters"]:
    """Targets over clusters, softened by how alike the clusters are: softmax(C_label C^T / temperature) (ProtoCLIP).

    Args:
      centroids: of the modality that assigned the labels.
      labels: each row's cluster.
      temperature: 0.01 in the paper's recipe; zero gives the cluster itself alone.

    Raises:
      ValueError: the temperature is negative.
    """
    if temperature < 0:
        raise ValueError(
            f"the temperature of soft targets is {temperature}: give a positive one, or 0 for hard ones"
        )
    if temperature == 0:
        return jax.nn.one_hot(labels, len(centroids))
    return soft_targets(centroids[labels] @ centroids.T, temperature=temperature)
