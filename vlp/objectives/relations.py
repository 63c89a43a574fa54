"""What one region is to another, by prototypes of the predicates: PE-Net."""

from __future__ import annotations

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from input_pipeline.errors import UserError
from vlp.encodings import Encodings
from vlp.given import Context
from vlp.kernels.loss import Loss
from vlp.kernels.relation_prototypes import closeness, likeness, triplet
from vlp.kernels.softmax import softmax
from vlp.kernels.unit import unit
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import mlp_flops
from vlp.models.linear import linear
from vlp.models.regions import RegionHead
from vlp.objectives.base import REGION_PAIRS, Objective, ObjectiveOutput
from vlp.objectives.regions import BOXES, TEXTS, grid_side, texts_known

DIRECTIONS = 8


class Relations(nnx.Module):
    """Rows of ordered pairs of regions, and of predicates: a word and what the image adds to it, through a gate (arXiv
    2303.07096, section 3.2)."""

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds heads and gates.

        Args:
          config: `samples`, `hidden`, `scale` and `image_view` of the objective.
          model: for its widths.
          rngs: where initial values come from.
        """
        width, compute = config.hidden, model.compute
        size: dict[str, Any] = {"size": config.samples, "hidden": width, "compute": compute, "rngs": rngs}
        self.region = RegionHead(model.image.width, width, **size)
        self.union = RegionHead(model.image.width, width, **size)

        def layer(inputs: int, outputs: int) -> Any:
            return linear(inputs, outputs, std=inputs**-0.5, compute=compute, rngs=rngs)

        self.words = nnx.List([layer(model.embed_dim, width) for _ in range(3)])  # subject, object, predicate
        self.gates = nnx.List([layer(2 * width, width) for _ in range(3)])
        self.relation, self.prototype = layer(width, width), layer(width, width)
        bounds = (-math.inf, math.log(100.0))
        self.log_scale = nnx.Param(jnp.float32(math.log(config.scale)), bounds=bounds)
        self.image_view = config.image_view

    def region_flops(self, cells: int) -> float:
        """Counts a region as what is spoken of and as what it is spoken of to, on a grid of so many cells a side."""
        layers = 2 * (_layer_flops(self.words[0]) + _layer_flops(self.gates[0]))
        return self.region.flops(cells) + layers

    def pair_flops(self, cells: int) -> float:
        """Counts what is around a pair, and its row."""
        return self.union.flops(cells) + _layer_flops(self.gates[2]) + _layer_flops(self.relation)

    def rows(
        self,
        encodings: Encodings,
        boxes: Float[Array, "batch regions 4"],
        words: Float[Array, "batch regions embed_dim"],
    ) -> Float[Array, "batch pairs width"]:
        """Returns a row for each ordered pair of regions, in the order of `ordered_pairs`."""
        patches = encodings.image_tower(self.image_view).tokens
        seen, (first, second) = self.region(patches, boxes), ordered_pairs(boxes.shape[1])
        subjects, objects = (
            self._with_image(self.words[side](words), seen, self.gates[side]) for side in (0, 1)
        )
        one, other = subjects[:, first], objects[:, second]
        fused = jax.nn.relu(one + other) - (one - other) ** 2
        around = self.union(patches, unions(boxes[:, first], boxes[:, second]))
        gate = jax.nn.sigmoid(self.gates[2](jnp.concatenate([fused, around], axis=-1)))
        return self.relation(fused - gate * around).astype(jnp.float32)

    def _with_image(self, words: Array, seen: Array, gate: Any) -> Array:
        return (
            words + jax.nn.sigmoid(gate(jnp.concatenate([words, seen.astype(words.dtype)], axis=-1))) * seen
        )

    def prototypes(self, predicates: Float[Array, "kinds embed_dim"]) -> Float[Array, "kinds width"]:
        """Returns the prototypes of predicates."""
        return self.prototype(jax.nn.relu(self.words[2](predicates))).astype(jnp.float32)

    def likely(
        self, rows: Float[Array, "*pairs width"], prototypes: Float[Array, "kinds width"]
    ) -> Float[Array, "*pairs kinds"]:
        """Returns the scores of predicates."""
        return jnp.exp(self.log_scale[...]) * (unit(rows) @ unit(prototypes).T)

    def relate(self, encodings: Encodings, texts: str) -> Float[Array, "batch pairs labels"]:
        """Returns the scores of the constant texts `texts` as predicates, of all ordered pairs of `region_boxes`."""
        words = encodings.text("region_text")
        rows = self.rows(encodings, encodings.batch["region_boxes"], words)
        return self.likely(rows, self.prototypes(encodings.label_texts(texts)))


class RelationPrototypes(Objective):
    """Softmax of each ordered pair over prototypes of predicates, a margin, and prototypes that stay apart.

    PE-Net's losses (arXiv 2303.07096, section 3.3; its public code). The predicates are directions, which boxes say
    themselves: no annotation is read. There is no background among them.
    """

    parts = ("relations",)

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs, context: Context):
        """Builds the rows of pairs.

        Args:
          config: `objectives.relations`; see configs/settings.
          model: for its widths.
          rngs: initial values.
          context: how many predicates there are.
        """
        kinds = context.texts[config.predicates].labels
        if kinds != DIRECTIONS:
            raise UserError(
                f"data.texts.{config.predicates} has {kinds} labels, and relations are {DIRECTIONS} directions: name "
                "them as data/quickstart/tables/directions.json does, clockwise from right"
            )
        self.relations, self.predicates = Relations(config, model=model, rngs=rngs), config.predicates
        self.constants, self.raw = (self.predicates,), BOXES
        self.fields, self.cells = (config.image_view, *TEXTS, *BOXES), grid_side(model.image)

    def view_flops(self) -> dict[str, float]:
        """Counts what is made of each region and of each pair."""
        return {
            BOXES[0]: self.relations.region_flops(self.cells),
            REGION_PAIRS: self.relations.pair_flops(self.cells),
        }

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the sum of the four losses."""
        boxes, there = encodings.batch["region_boxes"], texts_known(encodings)
        first, second = ordered_pairs(boxes.shape[1])
        known = (there[:, first] & there[:, second]).reshape(-1)
        kinds = directions(boxes[:, first], boxes[:, second]).reshape(-1)
        rows = self.relations.rows(encodings, boxes, encodings.text("region_text"))
        rows = rows.reshape(len(kinds), -1)
        prototypes = self.relations.prototypes(encodings.label_texts(self.predicates))
        scores = self.relations.likely(rows, prototypes)
        targets = jax.nn.one_hot(kinds, DIRECTIONS) * known[:, None]
        losses = {
            "kinds": softmax(scores, targets).mean(),
            "margin": triplet(rows, prototypes, kinds, known).mean(),
            "likeness": likeness(prototypes),
            "closeness": closeness(prototypes),
        }
        right = ((scores.argmax(axis=1) == kinds) & known).sum() / jnp.maximum(known.sum(), 1)
        total = jnp.stack(list(losses.values())).sum()
        return ObjectiveOutput(Loss(total, jnp.ones_like(total)), {"accuracy": right, **losses})


def _layer_flops(layer: Any) -> int:
    return mlp_flops((layer.in_features, layer.out_features))


def ordered_pairs(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the places of first and second of all ordered pairs of different ones."""
    pairs = np.array(list(itertools.permutations(range(count), 2)), np.int32).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def unions(one: Float[Array, "*pairs 4"], other: Float[Array, "*pairs 4"]) -> Float[Array, "*pairs 4"]:
    """Returns the smallest box around two."""
    start, end = jnp.minimum(one[..., :2], other[..., :2]), jnp.maximum(one[..., 2:], other[..., 2:])
    return jnp.concatenate([start, end], axis=-1)


def directions(one: Float[Array, "*pairs 4"], other: Float[Array, "*pairs 4"]) -> Int[Array, "*pairs"]:
    """Returns where the first box lies as the second sees it: 0 = right, 1 = below right, and so on clockwise."""
    apart = one[..., :2] + one[..., 2:] - other[..., :2] - other[..., 2:]
    turns = jnp.arctan2(apart[..., 1], apart[..., 0]) / (2 * math.pi) * DIRECTIONS
    return jnp.round(turns).astype(jnp.int32) % DIRECTIONS
