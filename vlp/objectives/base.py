"""What an objective is: it asks the encodings for what it needs and returns a loss and what its users watch."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, Float

from vlp.encodings import Encodings
from vlp.kernels.loss import Loss
from vlp.models.dual_encoder import DualEncoder


class ObjectiveOutput(NamedTuple):
    """One objective's contribution to a step.

    Attributes:
      loss: its loss, not yet weighted against other objectives.
      metrics: float32 scalars by name, logged as `objective/name`.
    """

    loss: Loss
    metrics: dict[str, Float[Array, ""]]


class Remembered(nnx.Variable):
    """State of an objective that no gradient changes: prototypes, labels, a teacher."""


# No batch fields, but what is made of `region_boxes`: a crop of each for an image tower, and all ordered pairs.
CROPS, REGION_PAIRS = "region_crops", "region_pairs"

# (an episode's features by their kind, the mesh, a seed) -> (centroids, labels), both by kind. Every host calls it with
# the same arrays, and it has to find the same on all of them.
Cluster = Callable[[Mapping[str, np.ndarray], Mesh, int], tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]


@dataclasses.dataclass(frozen=True)
class Episode:
    """A stretch of the data that is looked at, and clustered, before the steps that train on it.

    Attributes:
      size: examples, a multiple of the batch.
      clusters: centres of each kind of feature.
      iterations: of k-means.
      cluster: another way to find clusters; None = k-means of each kind of feature.
    """

    size: int
    clusters: int
    iterations: int
    cluster: Cluster | None = None


class Objective(nnx.Module):
    """A scorer, a target rule and a kernel under one name.

    Learned parts are `nnx.Param`s of the module, other state its own `nnx.Variable` types: both are then sharded,
    saved and restored like the towers' own.

    Attributes:
      fields: the batch fields it reads; the data deliver these, or the config is refused. NAME/field is a field as the
        frozen model NAME reads it, in its own resolution or tokens.
      constants: the texts without a batch axis that it reads, of `data.texts`; NAME/texts for the frozen model NAME.
      limits: of fields that hold numbers of classes, the setting that says how many there are, and its value: a batch
        with another number than -1 (none) and those below it ends the run.
      raw: those of its fields that it reads as they are, such as a caption's tokens: no tower goes through them, or the
        objective counts itself what one makes of them.
      reads: towers it reads, of 'image' and 'text', beside those that its fields go through.
      copied: those of its fields that a copy of their tower encodes, too, without a backward pass; CROPS among them: a
        crop of each region.
      again: fields that it has a tower encode once more, with a backward pass, such as with other prompts.
      parts: names of its attributes that outlive training: modules that another run starts from, with the towers.
      episode: set where it wants the data clustered ahead, with methods `episode_features` and `remember`; see
        `vlp.training.episodes`.
    """

    fields: tuple[str, ...]
    constants: tuple[str, ...] = ()
    limits: Mapping[str, tuple[str, int]] = types.MappingProxyType({})
    raw: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    episode: Episode | None = None

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds what it learns.

        Args:
          config: its settings, `objectives.<name>` of the config.
          model: the towers, for their widths or to start a copy from; not to be kept.
          rngs: initial values of its own.

        A class whose `__init__` takes a `context` gets the `vlp.given.Context` of the run: how many constant texts and
        labels there are, how wide frozen models, and what tokens texts are made of.
        """
        raise TypeError(f"{type(self).__name__} does not say what it is made of")

    def flops(self) -> float:
        """Returns forward FLOPs of one example in what it learns beside the towers, for MFU; 0 = not worth counting."""
        return 0.0

    def view_flops(self) -> Mapping[str, float]:
        """Returns the same by field, for each of its views: what depends on how many of them the data deliver, such as
        for each region of `region_boxes`."""
        return {}

    def pair_flops(self) -> float:
        """Returns the same of an example with one other of the batch: what asks every image for every text."""
        return 0.0

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Computes the loss of one batch."""
        raise TypeError(f"{type(self).__name__} does not say how to compute its loss")

    def idle(self, encodings: Encodings) -> None:
        """Does what has to be done in updates in which its schedule leaves it out, such as moving a teacher on."""
