"""Where each array lives: batches over data and fsdp, parameters and their optimiser state over fsdp or model."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree, Shaped

from vlp.models.sharding import BATCH_AXES


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Examples split over the data and fsdp axes."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXES))


# Along the model axis, by how a parameter's path ends: its last axes, "model" where they are split. Attention by heads
# (its projections are laid out heads first), MLPs by hidden units, so that a block adds up over devices only twice
# (Megatron-LM, arXiv 1909.08053, section 3); the token embedding by features. What else wants to be split says so
# itself: `variable_splits`.
MODEL_RULES: tuple[tuple[str, tuple[str | None, ...]], ...] = (
    (r"(attention/(qkv|query|key_value)|attention_pool/key_value|mlp/(up|gate))/kernel$", (None, "model")),
    (r"(attention/(qkv|query|key_value)|attention_pool/key_value|mlp/(up|gate))/bias$", ("model",)),
    (r"(attention|attention_pool)/out/kernel$|mlp/down/kernel$", ("model", None)),
    (r"text/embedding/embedding$", (None, "model")),
)
STACKED = re.compile(
    r"(^|/)blocks/"
)  # the first axis is the block's number, of which a scan takes one at a time
SMALLEST = 2**12  # numbers: below it an array is not worth gathering

# A mesh axis for each axis of an array, or several of which the first that divide it take it; None where it is whole.
Split = tuple[str | tuple[str, ...] | None, ...]


def variable_splits(module: nnx.Module) -> dict[str, Split]:
    """Reads how variables want to lie, by slash-joined path: `nnx.Param(value, split=("model", None))`.

    They are split so and in no other way: whoever reads one where it lies, as class_table.py does, never comes to need
    the rest of it.
    """
    flat = nnx.to_flat_state(nnx.state(module))
    splits = {path: variable.get_metadata().get("split") for path, variable in flat}
    return {"/".join(map(str, path)): tuple(split) for path, split in splits.items() if split}


def parameter_spec(
    path: str, shape: tuple[int, ...], axes: Mapping[str, int], split: Split | None = None
) -> PartitionSpec:
    """Splits over model as MODEL_RULES says, over fsdp along the largest other axis that it divides.

    Biases, scales and whatever is small or indivisible are the same on all devices of the fsdp axis.

    Args:
      path: of the parameter, slash-joined.
      shape: of the parameter.
      axes: sizes of the mesh's axes.
      split: how it wants to lie instead, as far as the mesh's axes divide it.
    """
    if split is not None:
        taken = [dividing(names, size, axes) for names, size in zip(split, shape, strict=True)]
        return PartitionSpec(*(names if len(names) > 1 else next(iter(names), None) for names in taken))
    spec = _over_model(path, shape, axes["model"])
    first = 1 if STACKED.search(path) else 0
    free = [axis for axis in range(first, len(shape)) if spec[axis] is None]
    candidates = [axis for axis in free if shape[axis] % axes["fsdp"] == 0]
    matrix = len(shape) - first >= 2 and math.prod(shape) >= SMALLEST
    if axes["fsdp"] > 1 and candidates and matrix:
        spec[max(candidates, key=lambda axis: shape[axis])] = "fsdp"
    return PartitionSpec(*spec)


def dividing(names: str | tuple[str, ...] | None, size: int, axes: Mapping[str, int]) -> tuple[str, ...]:
    """Returns the leading ones of some mesh axes that divide an array's axis together, without those of one device."""
    taken: tuple[str, ...] = ()
    for name in (names,) if isinstance(names, str) else names or ():
        if size % math.prod(axes[one] for one in (*taken, name)):
            break
        taken += (name,) * (axes[name] > 1)
    return taken


def _over_model(path: str, shape: tuple[int, ...], size: int) -> list[str | None]:
    """For each axis "model" or None; None everywhere if the mesh axis does not divide what a rule splits."""
    spec: list[str | None] = [None] * len(shape)
    for pattern, last in MODEL_RULES:
        if re.search(pattern, path) and len(shape) >= len(last):
            split = shape[len(shape) - len(last) + last.index("model")]
            if size > 1 and split % size == 0:
                spec[len(shape) - len(last) :] = last
            break
    return spec


def state_shardings(state: PyTree, mesh: Mesh, splits: Mapping[str, Split] | None = None) -> PyTree:
    """Returns a sharding for every leaf of a training state; moments and running means lie where their parameters do.

    Args:
      state: arrays or `jax.ShapeDtypeStruct`s. An array of fewer axes than its namesake, such as a factored second
        moment, is split like the axes it has kept.
      mesh: with axes data, fsdp and model.
      splits: from `variable_splits` of the module that the state is of.
    """
    whole: dict[str, tuple[int, ...]] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        name = _name(path)
        if len(leaf.shape) > len(whole.get(name, ())) or name not in whole:
            whole[name] = leaf.shape

    def sharding(path: tuple[Any, ...], leaf: Any) -> NamedSharding:
        name = _name(path)
        spec = parameter_spec(name, whole[name], mesh.shape, (splits or {}).get(name))
        return NamedSharding(mesh, PartitionSpec(*_kept(spec, whole[name], leaf.shape)))

    return jax.tree_util.tree_map_with_path(sharding, state)


def _name(path: tuple[Any, ...]) -> str:
    """The path inside the tree of parameters that a leaf belongs to: the dict keys at its end, slash-joined."""
    keys: list[str] = []
    for entry in reversed(path):
        if not isinstance(entry, jax.tree_util.DictKey):
            break
        keys.append(str(entry.key))
    return "/".join(reversed(keys))


def _kept(spec: PartitionSpec, whole: tuple[int, ...], shape: tuple[int, ...]) -> list[str | None]:
    """The part of a spec that belongs to the axes of `shape`, found in `whole` from the left, else nothing."""
    if len(shape) == len(whole):
        return list(spec)
    kept: list[str | None] = []
    remaining = iter(zip(whole, spec, strict=True))
    for size in shape:
        for other, axis in remaining:
            if other == size:
                kept.append(axis)
                break
        else:
            return []
    return kept


def global_batch(batch: dict[str, Shaped[np.ndarray, "local ..."]], mesh: Mesh) -> dict[str, Array]:
    """Joins hosts' rows of a batch into arrays of the global batch (see `vlp.parallel.hosts.batch_part`)."""
    sharding = batch_sharding(mesh)
    return {name: jax.make_array_from_process_local_data(sharding, rows) for name, rows in batch.items()}


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding that has the same on every device."""
    return NamedSharding(mesh, PartitionSpec())


def on_mesh(array: Shaped[np.ndarray, ...], mesh: Mesh, spec: PartitionSpec) -> Array:
    """Puts an array that every host has whole on the devices of all of them."""
    array = np.asarray(array)  # a numpy scalar is one, too
    return jax.make_array_from_callback(array.shape, NamedSharding(mesh, spec), lambda index: array[index])


def fetch(tree: Any) -> Any:
    """Turns replicated device scalars into Python numbers (this waits for the device)."""
    return jax.tree.map(lambda value: np.asarray(value).item(), jax.device_get(tree))
