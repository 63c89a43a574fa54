"""Scores against a table of class centres that is split by rows over the mesh's model and fsdp axes and never gathered.

Every device scores the examples of those that share the table with it against its own centres: the examples'
embeddings, which are small, are gathered, so that towers need not split anything but examples. What a kernel needs of
the other centres are a maximum and a sum for each example, which the kernel reduces over `axis_name`. Sampled
negatives follow PartialFC (arXiv 2203.15565).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jaxtyping import Array, Bool, Float, Int, Int8, PRNGKeyArray

from input_pipeline.errors import UserError
from vlp.kernels.log_sum_exp import AxisName
from vlp.kernels.loss import Loss
from vlp.kernels.sampling import columns_to_keep, sample_columns, sample_dimensions
from vlp.kernels.unit import unit
from vlp.models.sharding import BATCH_AXES, TABLE_AXES
from vlp.parallel.sharding import dividing
from vlp.parallel.tiles import WHOLE, over_chunks
from vlp.randomness import fold_in_name

# (cosines [rows, columns], targets, mask, axis name) -> Loss: margin, scale and kernel of a method. The mask says which
# cells are known, None = all. The axes are those over which devices share out the columns, for the kernel to
# reduce over; None on one device.
ScoreLoss = Callable[
    [
        Float[Array, "rows columns"],
        Float[Array, "rows columns"],
        Bool[Array, "rows columns"] | None,
        AxisName,
    ],
    Loss,
]
Labels = Int[Array, "batch labels"] | Int8[Array, "batch classes"]


class ClassLoss(NamedTuple):
    """A loss over classes.

    Attributes:
      loss: over the global batch.
      metrics: without gradient: `accuracy`, the share of examples one of whose labels is the nearest class; mean
        `positive_cosine` and `negative_cosine` of what is known; `kept`, the share of the labels whose class takes
        part: one, unless labels are numbers beyond the table.
    """

    loss: Loss
    metrics: dict[str, Float[Array, ""]]


class _Sums(NamedTuple):
    """What is added up over chunks and devices: the loss, the cosines of matching cells and of all, hits."""

    loss: Loss
    positives: Loss
    cells: Loss
    hits: Loss


def class_loss(
    embeddings: Float[Array, "batch dim"],
    centres: Float[Array, "classes dim"],
    labels: Labels,
    score_loss: ScoreLoss,
    *,
    chunk: int,
    rate: float = 1.0,
    feature_rate: float = 1.0,
    key: PRNGKeyArray | None = None,
    cosines: bool = True,
    weights: Float[Array, " classes"] | None = None,
) -> ClassLoss:
    """Returns a kernel over the cosines of examples and class centres.

    Under a mesh (`jax.set_mesh`) centres are split over model and, where it divides them, fsdp, and examples over the
    others; result and gradients are those of one device. The sample depends on the number of shards, for every shard
    draws its own.

    Args:
      embeddings, centres: of any length; normalised here.
      labels: global class numbers, -1 = none, of which equal ones of an example count once; or as int8 the state of
        every class: 1 = it is a label, 0 = it is none, -1 = nobody knows, as of classes that they leave out.
      score_loss: see `ScoreLoss`.
      chunk: examples scored at a time on each device, against its share of the table.
      rate: share of each shard's centres that take part in the step: all classes the global batch has labels of, then
        random others; those alone get gradients (PartialFC, section 3.2). A shard always keeps as many centres as the
        global batch has labels, for they may all be its own.
      feature_rate: share of the dimensions that take part, the same for all examples and centres (UNICOM,
        arXiv 2304.05884).
      key: this step's randomness; needed for rates below one, and the same on all devices.
      cosines: False = plain inner products of embeddings and centres as they are.
      weights: of the classes as targets; None = 1.

    Raises:
      ValueError: there is a rate below one and no key or no class numbers, there are states of more classes, or the
        shards would not be of equal size.
    """
    states = labels.dtype == jnp.int8
    labels = _whole_states(labels, len(centres), rate) if states else labels
    if key is None and min(rate, feature_rate) < 1:
        raise UserError(f"rate={rate} and feature_rate={feature_rate} need a key to sample with")
    check_split(len(centres))
    mesh = jax.sharding.get_abstract_mesh()
    scaled = unit if cosines else lambda rows: rows
    options: dict[str, Any] = {"scaled": scaled, "chunk": chunk, "rate": rate, "feature_rate": feature_rate}
    on_device: Callable[..., ClassLoss] = functools.partial(_on_device, score_loss=score_loss, **options)
    arguments = (embeddings, centres, labels, weights, jax.random.key(0) if key is None else key)
    if mesh.empty:
        return on_device((), (), *arguments)
    # "model" is there in any case: of one device it costs nothing, and kernels need an axis to reduce over.
    table_axes = dividing(TABLE_AXES, len(centres), mesh.shape) or TABLE_AXES[:1]
    batch_axes = tuple(axis for axis in BATCH_AXES if axis not in table_axes)
    rows, table = PartitionSpec(batch_axes), PartitionSpec(table_axes)
    cells = PartitionSpec(batch_axes, table_axes) if states else rows
    return jax.shard_map(
        functools.partial(on_device, batch_axes, table_axes),
        in_specs=(rows, table, cells, table, WHOLE),
        out_specs=WHOLE,
    )(*arguments)


def _on_device(
    batch_axes: tuple[str, ...],
    table_axes: tuple[str, ...],
    embeddings: Float[Array, "batch dim"],
    centres: Float[Array, "columns dim"],
    labels: Labels,
    weights: Float[Array, " columns"] | None,
    key: PRNGKeyArray,
    *,
    score_loss: ScoreLoss,
    chunk: int,
    rate: float,
    feature_rate: float,
    scaled: Callable[[Float[Array, "rows dim"]], Float[Array, "rows dim"]],
) -> ClassLoss:
    shard = jax.lax.axis_index(table_axes) if table_axes else 0
    states = labels.dtype == jnp.int8
    columns = labels if states else _columns(labels - shard * len(centres), len(centres))
    everyones = labels.size * (jax.lax.axis_size(batch_axes) if batch_axes else 1)
    if rate < 1 and (count := columns_to_keep(len(centres), rate, everyones)) < len(centres):
        draw = jax.random.fold_in(fold_in_name(key, "classes"), shard)
        sampled = sample_columns(draw, _same_on_all(columns, batch_axes), len(centres), count)
        centres, columns = centres[sampled], _renumber(columns, sampled, len(centres))
        weights = None if weights is None else weights[sampled]
    if feature_rate < 1:
        dims = embeddings.shape[1]
        chosen = sample_dimensions(fold_in_name(key, "features"), dims, max(1, int(feature_rate * dims)))
        embeddings, centres = embeddings[:, chosen], centres[:, chosen]
    table, rows = scaled(centres), scaled(embeddings)

    @jax.checkpoint
    def visit(rows: tuple[Array, Array], _: None, table: Array, sums: _Sums) -> tuple[None, _Sums]:
        vectors, columns = rows
        cosines, known = vectors @ table.T, columns >= 0 if states else None
        targets = (columns > 0 if states else _is_label(columns, len(table))).astype(table.dtype)
        loss = score_loss(
            cosines, targets if weights is None else targets * weights, known, table_axes or None
        )
        return None, jax.tree.map(
            operator.add, sums, _Sums(loss, *_watch(cosines, targets, known, table_axes))
        )

    zero = jax.lax.pcast(jnp.zeros((), table.dtype), batch_axes, to="varying")
    start = _Sums(*[Loss(zero, zero)] * len(_Sums._fields))
    _, sums = over_chunks(visit, (rows, columns), None, table, start, chunk)
    sums = jax.lax.psum(sums, batch_axes)
    found = (columns > 0 if states else columns < len(table)).sum()
    found = jax.lax.psum(found, (*batch_axes, *table_axes))
    wanted = found if states else jax.lax.psum((labels >= 0).sum(), batch_axes)
    others = Loss(sums.cells.total - sums.positives.total, sums.cells.weight - sums.positives.weight)
    metrics = {
        "accuracy": sums.hits.mean(),
        "positive_cosine": sums.positives.mean(),
        "negative_cosine": others.mean(),
        "kept": found / jnp.maximum(wanted, 1),
    }
    return ClassLoss(sums.loss, metrics)


def _watch(
    cosines: Float[Array, "rows columns"],
    targets: Float[Array, "rows columns"],
    known: Bool[Array, "rows columns"] | None,
    axes: tuple[str, ...],
) -> tuple[Loss, Loss, Loss]:
    """Sum and number of the matching cells, of all that are known, and of rows whose highest of these matches, over all
    shards."""
    cosines = jax.lax.stop_gradient(cosines)
    counts = jnp.ones_like(cosines) if known is None else known.astype(cosines.dtype)
    highest = jax.lax.pmax(jnp.where(counts > 0, cosines, -jnp.inf).max(axis=1), axes)
    matching = jax.lax.pmax(jnp.where(targets > 0, cosines, -jnp.inf).max(axis=1), axes)
    sums = (cosines * targets).sum(), targets.sum(), (cosines * counts).sum(), counts.sum()
    positive, number, everything, size = jax.lax.psum(sums, axes)
    hits = ((matching >= highest) & (matching > -jnp.inf)).astype(cosines.dtype)
    return Loss(positive, number), Loss(everything, size), Loss(hits.sum(), jnp.ones_like(hits).sum())


def check_split(classes: int) -> None:
    """Refuses a table that the mesh in use cannot split evenly.

    Raises:
      ValueError: the model axis does not divide the classes.
    """
    mesh = jax.sharding.get_abstract_mesh()
    shards = 1 if mesh.empty else mesh.shape["model"]
    if classes % shards:
        raise UserError(f"{classes} classes do not split evenly over mesh.model={shards}: pad the table")


def _whole_states(
    states: Int8[Array, "batch some"], classes: int, rate: float
) -> Int8[Array, "batch classes"]:
    """States of all classes: of those that are left out nobody knows."""
    if rate < 1 or states.shape[1] > classes:
        raise UserError(
            f"labels are states of {states.shape[1]} classes, for a table of {classes} and rate={rate}: give it as "
            "many, and rate=1; a share of the classes takes the numbers of labels, as NAME_ids has them"
        )
    return jnp.pad(states, ((0, 0), (0, classes - states.shape[1])), constant_values=-1)


def _columns(local: Int[Array, "batch labels"], size: int) -> Int[Array, "batch labels"]:
    """Labels as columns of this shard; `size`, which is no column, for those that are elsewhere."""
    return jnp.where((local >= 0) & (local < size), local, size)


def _same_on_all(
    columns: Int[Array, "batch labels"], batch_axes: tuple[str, ...]
) -> Int[Array, "everyone labels"]:
    """The ids of all devices' examples; by a sum, after which the compiler knows that all devices hold the same."""
    if not batch_axes:
        return columns
    parts = jnp.zeros((jax.lax.axis_size(batch_axes), *columns.shape), columns.dtype)
    parts = jax.lax.psum(parts.at[jax.lax.axis_index(batch_axes)].set(columns), batch_axes)
    return parts.reshape(-1, columns.shape[1])


def _renumber(
    columns: Int[Array, "batch labels"], sampled: Int[Array, " count"], size: int
) -> Int[Array, "batch labels"]:
    """Columns of the shard to columns of its sample; `count` for those that are not in it."""
    absent = len(sampled)
    places = jnp.full(size + 1, absent, jnp.int32).at[sampled].set(jnp.arange(absent, dtype=jnp.int32))
    return places[columns]


def _is_label(columns: Int[Array, "rows labels"], size: int) -> Array:
    """Bool [rows, size]: label by label, so that it fuses into what reads it."""
    every = jnp.arange(size, dtype=jnp.int32)
    return functools.reduce(jnp.logical_or, (column[:, None] == every for column in columns.T))
