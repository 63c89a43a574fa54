"""Names and layouts of weights, theirs and ours, as tables that are read in either direction."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped

from input_pipeline.errors import UserError

Tensor = Shaped[np.ndarray, "..."]
Tensors = dict[str, Tensor]
VARIANCE = ".running_var"
LARGEST = 1e6  # products of two such numbers, summed and squared, still are numbers in float32


class Form(NamedTuple):
    """Says how tensors are laid out: `read` takes theirs and gives ours, `write` is its exact inverse."""

    read: Callable[..., tuple[Tensor, ...]]
    write: Callable[..., tuple[Tensor, ...]]


@dataclasses.dataclass(frozen=True)
class Entry:
    """One line of a table.

    Attributes:
      ours: slash-joined paths in the dual encoder.
      theirs: names in their file, with "{layer}" where ours carry a leading axis of blocks.
      form: from theirs to ours and back.
      layers: what "{layer}" counts through; None without one.
    """

    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    form: Form
    layers: range | None = None


def entry(ours: str, theirs: str, form: Form | None = None, layers: range | None = None) -> Entry:
    """Returns an Entry from space-separated names."""
    return Entry(tuple(ours.split()), tuple(theirs.split()), form or SAME, layers)


def _one(read: Callable[[Tensor], Tensor], write: Callable[[Tensor], Tensor]) -> Form:
    return Form(lambda theirs: (read(theirs),), lambda ours: (write(ours),))


SAME = Form(lambda *theirs: theirs, lambda *ours: ours)
TRANSPOSED = _one(np.transpose, np.transpose)
ROW = _one(lambda x: x[None], lambda x: x[0])  # a vector as the only row of a table
FIRST = _one(lambda x: x[0], lambda x: x[None])  # the only row of a table as it is
QUERY = _one(lambda x: x[0, 0], lambda x: x[None, None])
SCALAR = _one(lambda x: x.reshape(()), lambda x: x)
SCALAR_OF_ONE = _one(lambda x: x.reshape(()), lambda x: x.reshape(1))
KERNEL = _one(lambda x: x.transpose(2, 3, 1, 0), lambda x: x.transpose(3, 2, 0, 1))  # of a convolution
CELLS = _one(lambda x: x[:, :, 0, 0].T, lambda x: x.T[:, :, None, None])  # of single cells, as a linear layer
PREFIXED = Form(  # a table of positions whose first row is the class token's
    lambda x: (x[:1], x[1:]), lambda first, rest: (np.concatenate([first, rest]),)
)


def _patches(kernel: Tensor) -> Tensor:
    return kernel.transpose(2, 3, 1, 0).reshape(-1, kernel.shape[0])


def _patch_kernel(weights: Tensor) -> Tensor:
    side = math.isqrt(weights.shape[0] // 3)
    return weights.reshape(side, side, 3, -1).transpose(3, 2, 0, 1)


PATCHES = _one(_patches, _patch_kernel)


def _apart(ours: Tensor, heads: int, count: int, transposed: bool) -> list[Tensor]:
    """Takes a projection that comes head by head apart into its `count` parts."""
    split = ours.reshape(*ours.shape[:-1], heads, count, -1)
    parts = [split[..., place, :].reshape(*ours.shape[:-1], -1) for place in range(count)]
    return [x.T if transposed else x for x in parts]


def interleaved(heads: int, *, transposed: bool = False) -> Form:
    """Joins separate projections to queries, keys and values into one whose outputs come head by head."""

    def read(*theirs: Tensor) -> tuple[Tensor, ...]:
        parts = [x.T if transposed else x for x in theirs]
        split = [x.reshape(*x.shape[:-1], heads, -1) for x in parts]
        return (np.stack(split, axis=-2).reshape(*parts[0].shape[:-1], -1),)

    return Form(read, lambda ours: tuple(_apart(ours, heads, 3, transposed)))


def fused(heads: int, *, count: int = 3, transposed: bool = False) -> Form:
    """Projections one below the other in one tensor (PyTorch's `in_proj_weight`), as one that comes head by head."""
    parts = interleaved(heads, transposed=transposed)
    return Form(
        lambda theirs: parts.read(*np.split(theirs, count)),
        lambda ours: (np.concatenate(_apart(ours, heads, count, transposed)),),
    )


def pooling_projections(heads: int, *, transposed: bool = False) -> Form:
    """Returns the fused projections of a pool whose query is projected by itself: to (query, keys with values)."""
    pair = fused(heads, count=2, transposed=transposed)

    def read(theirs: Tensor) -> tuple[Tensor, ...]:
        width = theirs.shape[0] // 3
        query = theirs[:width]
        return (query.T if transposed else query, *pair.read(theirs[width:]))

    def write(query: Tensor, key_value: Tensor) -> tuple[Tensor, ...]:
        return (np.concatenate([query.T if transposed else query, *pair.write(key_value)]),)

    return Form(read, write)


def read(entries: Iterable[Entry], tensors: Mapping[str, Tensor], unused: Sequence[str] = ()) -> Tensors:
    """Reads another project's tensors as ours, by path.

    Args:
      entries: the table of the architecture.
      tensors: all of a file's.
      unused: names without any weight in them, which may be there.

    Raises:
      ValueError: a tensor of the table is not there, or one is there that the table does not name.
    """
    entries = list(entries)
    deepest = max((len(one.layers) for one in entries if one.layers is not None), default=0)
    if deepest > len(tensors):
        raise UserError(f"the config has {deepest} layers, but the weights only {len(tensors)} tensors")
    wanted = {name: None for one in entries for name in _names(one)}
    missing = [name for name in wanted if name not in tensors]
    expected = {*wanted, *unused}
    surplus = [name for name in tensors if name not in expected]
    if missing or surplus:
        raise UserError(
            f"the weights do not fit their config: {_listed('missing', missing)}; {_listed('left over', surplus)}"
        )
    _check_numbers({name: tensors[name] for name in wanted})
    return {path: tensor for one in entries for path, tensor in _read(one, tensors).items()}


def _check_numbers(tensors: Mapping[str, Tensor]) -> None:
    """Raises ValueError where a tensor holds what no trained model does, and what makes embeddings of NaN."""
    kinds = [name for name, tensor in tensors.items() if tensor.dtype.kind != "f"]
    if kinds:
        raise UserError(f"weights are whole numbers, not floating-point ones: {_listed('in', kinds)}")
    infinite = [name for name, tensor in tensors.items() if not np.isfinite(tensor).all()]
    if infinite:
        raise UserError(f"weights hold numbers that are not finite: {_listed('in', infinite)}")
    huge = [name for name, tensor in tensors.items() if np.abs(tensor).max(initial=0.0) > LARGEST]
    if huge:
        raise UserError(
            f"weights hold numbers above {LARGEST:g}, as no trained model does: {_listed('in', huge)}: is the file "
            "damaged?"
        )
    negative = [
        name for name, tensor in tensors.items() if name.endswith(VARIANCE) and tensor.min(initial=0.0) < 0
    ]
    if negative:
        raise UserError(f"{negative[0]} holds a negative variance: is the file damaged?")


def _names(one: Entry) -> list[str]:
    layers: Iterable[int] = (0,) if one.layers is None else one.layers
    return [name.format(layer=layer) for layer in layers for name in one.theirs]


def _read(one: Entry, tensors: Mapping[str, Tensor]) -> Tensors:
    try:
        if one.layers is None:
            return dict(zip(one.ours, one.form.read(*(tensors[name] for name in one.theirs)), strict=True))
        layers = [
            one.form.read(*(tensors[name.format(layer=layer)] for name in one.theirs)) for layer in one.layers
        ]
        return {
            path: np.stack(parts) for path, parts in zip(one.ours, zip(*layers, strict=True), strict=True)
        }
    except (ValueError, IndexError, TypeError, ZeroDivisionError):  # a shape that the form cannot take apart
        shapes = "; ".join(f"{name} has shape {list(tensors[name].shape)}" for name in _names(one)[:8])
        raise UserError(f"the weights do not fit their config: {shapes}") from None


def write(entries: Iterable[Entry], ours: Mapping[str, Tensor]) -> Tensors:
    """Writes our tensors as another project's: the inverse of `read`.

    Raises:
      ValueError: our model has an array that the table does not name, or lacks one that it does.
    """
    entries = list(entries)
    named = {path for one in entries for path in one.ours}
    missing, surplus = sorted(named - ours.keys()), sorted(ours.keys() - named)
    if missing or surplus:
        raise UserError(
            f"the model does not fit the format: {_listed('missing', missing)}; {_listed('left over', surplus)}"
        )
    return {name: np.array(tensor, order="C") for one in entries for name, tensor in _written(one, ours)}


def _written(one: Entry, ours: Mapping[str, Tensor]) -> Iterable[tuple[str, Tensor]]:
    arrays = [ours[path] for path in one.ours]
    if one.layers is None:
        yield from zip(one.theirs, one.form.write(*arrays), strict=True)
        return
    for place, layer in enumerate(one.layers):
        names = (name.format(layer=layer) for name in one.theirs)
        yield from zip(names, one.form.write(*(array[place] for array in arrays)), strict=True)


def shape_of(tensors: Mapping[str, Tensor], name: str, dimensions: int) -> tuple[int, ...]:
    """Returns the shape of a tensor.

    Raises:
      ValueError: there is none of that name, or it has another number of dimensions or no elements.
    """
    if name not in tensors:
        raise UserError(f"the weights have no {name}")
    shape = tuple(tensors[name].shape)
    if len(shape) != dimensions or 0 in shape:
        raise UserError(
            f"{name} has shape {list(shape)}, and needs {dimensions} dimensions that are not empty"
        )
    return shape


def count_of(tensors: Iterable[str], start: str) -> int:
    """Counts the blocks whose weights' names begin so: by what stands behind it, up to the next dot."""
    return len({name[len(start) :].split(".")[0] for name in tensors if name.startswith(start)})


def _listed(what: str, names: Sequence[str], limit: int = 8) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"{what}: {', '.join(names[:limit]) or 'none'}{more}"


def flattened(tree: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """Leaves of nested dicts by slash-joined path."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        path = f"{prefix}{key}"
        leaves |= flattened(value, f"{path}/") if isinstance(value, Mapping) else {path: value}
    return leaves


def nested(leaves: Mapping[str, Any]) -> dict[Any, Any]:
    """Nests what is flat, by its paths, of which parts that are numbers are places in a list."""
    tree: dict[Any, Any] = {}
    for path, leaf in leaves.items():
        *branches, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        node = tree
        for key in branches:
            node = node.setdefault(key, {})
        node[last] = leaf
    return tree
