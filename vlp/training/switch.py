"""From one stage of a run to the next: the state for a model that sees larger images or longer texts.

Only learned positions have other shapes then. They are resampled, and with them their running mean, the moments of the
optimiser and a teacher's copy.
"""

from __future__ import annotations

import math
import re
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from input_pipeline.errors import UserError
from vlp.models.positions import bicubic_weights, bilinear_weights
from vlp.training.state import TrainState

TABLE = re.compile(r"(^|/)position/embedding$")
TEXT = re.compile(r"text/position/embedding$")
# Of a resnet: the first row is for the mean of the grid.
AFTER_MEAN = re.compile(r"attention_pool/position/embedding$")
SECOND_MOMENTS = {"nu", "v"}  # by the names of optax's fields


def carried(state: TrainState, abstract: PyTree) -> TrainState:
    """Returns a state as the training of another stage has it; arrays whose shape stays are the same, not copies.

    Args:
      state: on the mesh.
      abstract: `Training.abstract_state` of the other stage.

    Raises:
      ValueError: as by `check_carried`.
    """
    pairs = _pairs(state, abstract)
    changed = {name: leaf for name, (_, leaf, to) in pairs.items() if leaf.shape != to.shape}
    if not changed:
        return state
    shardings = {name: pairs[name][2].sharding for name in changed}

    def resample(leaves: dict[str, Array]) -> dict[str, Array]:
        return {name: resampled(pairs[name][0], leaf, pairs[name][2].shape) for name, leaf in leaves.items()}

    new = jax.jit(resample, out_shardings=shardings)(changed)
    leaves = [new.get(name, leaf) for name, (_, leaf, _) in pairs.items()]
    return jax.tree.unflatten(jax.tree.structure(state), leaves)


def check_carried(abstract: PyTree, other: PyTree) -> None:
    """Checks that the states of one stage can become those of another.

    Args:
      abstract, other: `Training.abstract_state` of both.

    Raises:
      ValueError: something of another shape is no table of positions.
    """
    for path, leaf, to in _pairs(abstract, other).values():
        if leaf.shape != to.shape:
            _check(path, leaf.shape, to.shape)


def resampled(
    path: tuple[Any, ...], table: Float[Array, "old width"], shape: tuple[int, ...]
) -> Float[Array, "new width"]:
    """Returns a table of positions for another number of them.

    A grid of patches is resampled as the tower itself does it with images of another size, so that a switch changes
    nothing of what the tower makes of them. Texts are stretched linearly, as CLIPA's code and open_clip's
    `resize_text_pos_embed` do it. Second moments are linear between neighbours in both, and so stay positive.

    Args:
      path: of the array in the state.
      table: parameters, or what follows them.
      shape: of the result.
    """
    _check(path, table.shape, shape)
    name, first = _name(path), int(bool(AFTER_MEAN.search(_name(path))))
    moments = any(getattr(entry, "name", "") in SECOND_MOMENTS for entry in path)
    weights = bilinear_weights if moments or TEXT.search(name) else bicubic_weights
    rows = table[first:].astype(jnp.float32)
    with jax.default_matmul_precision("highest"):
        if TEXT.search(name):
            new = jnp.asarray(weights(len(rows), shape[0])) @ rows
        else:
            old, side = math.isqrt(len(rows)), math.isqrt(shape[0] - first)
            along, grid = weights(old, side), rows.reshape(old, old, -1)
            new = jnp.einsum("ri,cj,ijw->rcw", along, along, grid).reshape(side**2, -1)
    return jnp.concatenate([table[:first], new.astype(table.dtype)])


def _pairs(state: PyTree, other: PyTree) -> dict[str, tuple[Any, Any, Any]]:
    """Path and both leaves, by the path in one string and in the order of leaves."""
    leaves = zip(jax.tree_util.tree_leaves_with_path(state), jax.tree.leaves(other), strict=True)
    return {jax.tree_util.keystr(path): (path, leaf, to) for (path, leaf), to in leaves}


def can_be_resampled(path: tuple[Any, ...], shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Tells whether an array is a table of positions, and of the other shape one for another number of them."""
    return bool(TABLE.search(_name(path))) and len(shape) == 2 and shape[1:] == other[1:]


def _check(path: tuple[Any, ...], shape: tuple[int, ...], other: tuple[int, ...]) -> None:
    if not can_be_resampled(path, shape, other):
        raise UserError(
            f"stages: {jax.tree_util.keystr(path)} is {list(shape)} in one stage and {list(other)} in the next, and "
            "only tables of positions can be resampled. Adafactor factors those of 128 positions and more: use "
            "optimizer.name='adamw', or stages of patch_dropout alone"
        )


def _name(path: tuple[Any, ...]) -> str:
    """The dict keys of a path, slash-joined."""
    return "/".join(str(entry.key) for entry in path if isinstance(entry, jax.tree_util.DictKey))
