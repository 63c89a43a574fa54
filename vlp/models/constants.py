"""Texts that every device has whole: encoded by all devices together, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float, Int, Shaped

from vlp.kernels.unit import unit
from vlp.models.micro_batch import micro_batched
from vlp.models.sharding import batch_shards, constrain_batch

Output = TypeVar("Output")
AT_A_TIME = 1024  # texts on each device whose activations exist together


def encode_replicated(encode: Callable[..., Output], *arrays: Shaped[Array, "texts ..."]) -> Output:
    """Runs `encode(*arrays)`, each device a part of the texts, and gives all of them the whole result.

    Args:
      encode: treats texts independently; arrays [texts, ...] to a tree of arrays [texts, ...].
      *arrays: the same on every device.
    """
    mesh = jax.sharding.get_abstract_mesh()
    devices = batch_shards()
    texts = len(arrays[0])
    # What fills the devices up is encoded again and thrown away.
    places = np.arange(-(-texts // devices) * devices) % texts
    outputs = micro_batched(encode, AT_A_TIME * devices, *(constrain_batch(x[places]) for x in arrays))
    return jax.tree.map(lambda x: _everywhere(x[:texts], mesh), outputs)


def _everywhere(x: Shaped[Array, "texts ..."], mesh: Any) -> Shaped[Array, "texts ..."]:
    return x if mesh.empty else jax.lax.with_sharding_constraint(x, PartitionSpec())


def label_means(
    rows: Float[Array, "texts dim"], labels: Int[Array, " texts"], count: int
) -> Float[Array, "labels dim"]:
    """Returns unit means of each label's rows, in float32.

    Args:
      rows: of the texts.
      labels: of each row, below `count`; every label has a row.
      count: of labels.
    """
    return unit(jax.ops.segment_sum(rows.astype(jnp.float32), labels, count))
