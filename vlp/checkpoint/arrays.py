"""The arrays of a checkpoint: the one place that knows Orbax, and a plain list of what was saved.

Orbax gets one flat dict of arrays for each part of the state, under names of our own: so neither the containers around
the arrays nor Orbax's rules for them decide what can be saved, and one part can be read without the others.
"""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree
from orbax.checkpoint import v1 as ocp

from input_pipeline.errors import UserError
from vlp.checkpoint.names import ARRAYS, LISTING, MERGED
from vlp.checkpoint.pieces import Pieces, has_pieces, own_pieces, read_pieces

SAVE_SECONDS = 1200.0  # that writing may take, by a clock that nobody sets
# Orbax measures its own limit by the wall clock, which a late time server or a resumed machine moves by hours.
_NO_LIMIT = 100 * 365 * 24 * 3600
_TOWER = re.compile(r"(^|/)model/(image|text)(_projection)?/")
_PATTERN = frozenset("*?[]\\")

Parts = Mapping[str, PyTree]
Layout = dict[str, Any]  # "path": keys and indices, "shape", "dtype"


def on_host(parts: Parts) -> dict[str, PyTree]:
    """Copies arrays to the host, where no later step changes them. For a run of one process.

    What a CPU device holds is there already and would do as it is; but a step that cannot overwrite what somebody reads
    has to find new memory, which takes longer than the copy.

    Args:
      parts: pytrees of arrays by name.

    Raises:
      ValueError: an array was donated or deleted.
    """
    _refuse_deleted({part: _by_name(tree) for part, tree in parts.items()})
    return jax.tree.map(_own, jax.device_get(dict(parts)))


def pieces_on_host(parts: Parts, *, replicas: bool = False) -> Pieces:
    """Copies to the host what this one of several processes has to write of the arrays.

    Args:
      parts: pytrees of arrays by name.
      replicas: as for `own_pieces`.

    Raises:
      ValueError: an array was donated or deleted.
    """
    flat = flat_arrays(parts)
    _refuse_deleted(flat)
    return own_pieces(flat, replicas)


def flat_arrays(parts: Parts) -> dict[str, dict[str, Any]]:
    """Returns the arrays of each part that have elements, by their slash-joined paths."""
    return _filled({part: _by_name(jax.tree.map(_as_array, tree)) for part, tree in parts.items()})


def start_saving(folder: Path, parts: Parts) -> Callable[[], None]:
    """Copies arrays to the host and starts to write them. For a run of one process.

    Args:
      folder: exists already; what is written is one folder in it.
      parts: pytrees of arrays by name.

    Returns:
      A function that waits until everything is written; what went wrong with it is raised there.

    Raises:
      ValueError: an array was donated or deleted.
    """
    flat = {part: _by_name(jax.tree.map(_as_array, tree)) for part, tree in parts.items()}
    _refuse_deleted(flat)
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(_plainly_named(folder))
        context = ocp.Context()
        context.asynchronous.timeout_secs = _NO_LIMIT
        # Bits of a float hardly repeat: compressed they take the cores that the next step needs, and nine tenths of
        # the disk.
        context.array.saving.use_compression = False
        with context:
            saving = ocp.save_checkpointables_async(plain / ARRAYS, _filled(flat))
        named = stack.pop_all()

    def wait() -> None:
        with named:
            try:
                saving.result(timeout=SAVE_SECONDS)
            except TimeoutError as error:
                raise TimeoutError(str(error) or f"it took more than {SAVE_SECONDS:.0f} s") from error

    return wait


def files_of(parts: Parts) -> tuple[str, ...]:
    """Returns the files without which the arrays of these parts cannot be read again, relative to their checkpoint."""
    return LISTING, *(f"{ARRAYS}/{part}/{MERGED}" for part in flat_arrays(parts))


@contextlib.contextmanager
def _plainly_named(folder: Path) -> Iterator[Path]:
    """Gives a path to a folder that can be read but one way: Orbax takes brackets for a pattern that matches nothing,
    a star for one that may match another folder, and TensorStore takes a backslash for a slash."""
    if not _PATTERN & set(str(folder)):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="vlp-") as beside:
        link = Path(beside) / "checkpoint"
        if _PATTERN & set(str(link)):
            raise UserError(
                f"the folder for temporary files, {beside}, may have none of *?[]\\ in its name: set TMPDIR"
            )
        link.symlink_to(folder.absolute(), target_is_directory=True)
        yield link


def write_listing(folder: Path, parts: Parts) -> None:
    """Writes the path, shape and dtype of every array as plain JSON."""
    listing = {part: _layouts(jax.tree.map(_as_array, tree)) for part, tree in parts.items()}
    (folder / LISTING).write_text(json.dumps(listing, indent=1) + "\n", encoding="utf-8")


def load_arrays(folder: Path, abstract: Parts) -> dict[str, PyTree]:
    """Reads arrays onto the devices asked for, whatever they were saved from. Every process calls it.

    Args:
      folder: of one checkpoint.
      abstract: parts to read, of `jax.ShapeDtypeStruct`s with a sharding, in the containers wanted.

    Raises:
      ValueError: the arrays saved have other names, shapes or dtypes. A tower that is there and not wanted is left.
    """
    listing = _read_listing(folder)
    differences = [
        difference
        for part, tree in abstract.items()
        for difference in _differences(listing[part], _layouts(tree))
    ]
    if differences:
        raise UserError(
            f"the checkpoint {folder} does not fit this model and optimizer: {_shortened(differences)}"
        )
    flat = {part: _by_name(tree) for part, tree in abstract.items()}
    loaded = _load(folder, flat, partial=True)  # there may be what is `_left_behind`
    return {
        part: jax.tree.unflatten(jax.tree.structure(tree), [loaded[part][name] for name in flat[part]])
        for part, tree in abstract.items()
    }


def load_as_numpy(folder: Path, part: str) -> dict[Any, Any]:
    """Reads one part without knowing what was saved: nested dicts of numpy arrays.

    Args:
      folder: of one checkpoint.
      part: its name.

    Raises:
      ValueError: what is listed there is not what is there.
    """
    layouts = _read_listing(folder)[part]
    try:
        # A broadcast scalar has any shape and takes no memory.
        abstract = {
            name: np.broadcast_to(np.zeros((), jax.numpy.dtype(layout["dtype"])), layout["shape"])
            for name, layout in layouts.items()
        }
    except (TypeError, ValueError) as error:
        raise UserError(f"{folder / LISTING} names a shape or a type that is none: {error}") from error
    tree: dict[Any, Any] = {}
    for name, leaf in _load(folder, {part: abstract})[part].items():
        *branches, last = layouts[name]["path"]
        node = tree
        for key in branches:
            node = node.setdefault(key, {})
        node[last] = leaf
    return tree


def paths_of(folder: Path, part: str) -> list[list[Any]]:
    """Lists the keys that lead to each array of a part, as they are listed."""
    return [layout["path"] for layout in _read_listing(folder)[part].values()]


def check_shapes(folder: Path, there: PyTree, wanted: PyTree) -> None:
    """Refuses arrays whose names or shapes are not those of the model that the checkpoint's config describes.

    Args:
      folder: of the checkpoint, for the message.
      there: what was read.
      wanted: arrays or `jax.ShapeDtypeStruct`s of the model.

    Raises:
      ValueError: names a few of the differences.
    """
    shapes = [
        {name: {**one, "dtype": ""} for name, one in _layouts(tree).items()} for tree in (there, wanted)
    ]
    if differences := _differences(*shapes):
        raise UserError(
            f"the arrays of {folder} are not those of its config's model: {_shortened(differences)}"
        )


def _load(
    folder: Path, abstract: dict[str, dict[str, Any]], *, partial: bool = False
) -> dict[str, dict[str, Any]]:
    """Reads flat dicts, partial ones of what is there; arrays without elements are made, as they were not saved."""
    filled = _filled(abstract)
    pieces = {part: leaves for part, leaves in filled.items() if has_pieces(folder, part)}
    merged = {part: leaves for part, leaves in filled.items() if part not in pieces}
    with _plainly_named(folder.absolute()) as plain:
        loaded = _loaded_by_orbax(plain, merged, partial) if merged else {}
    loaded |= {part: read_pieces(folder, part, leaves) for part, leaves in pieces.items()}
    return {
        part: {name: loaded[part][name] if leaf.size else _empty(leaf) for name, leaf in leaves.items()}
        for part, leaves in abstract.items()
    }


def _loaded_by_orbax(
    folder: Path, filled: dict[str, dict[str, Any]], partial: bool
) -> dict[str, dict[str, Any]]:
    try:
        context = ocp.Context()
        context.pytree.loading.partial_load = partial
        with context:
            loaded: dict[str, dict[str, Any]] = ocp.load_checkpointables(folder / ARRAYS, filled)
    except (FileNotFoundError, KeyError, ValueError) as error:  # among them what Orbax raises for absent ones
        words = " ".join(str(error).split())
        raise UserError(f"{ARRAYS} of {folder} does not hold what {LISTING} lists: {words[:300]}") from error
    return loaded


def _filled(flat: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What Orbax can save: neither arrays without elements nor dicts without arrays."""
    flat = {part: {name: leaf for name, leaf in leaves.items() if leaf.size} for part, leaves in flat.items()}
    return {part: leaves for part, leaves in flat.items() if leaves}


def _empty(leaf: Any) -> Any:
    zeros = np.zeros(leaf.shape, leaf.dtype)
    return zeros if isinstance(leaf, np.ndarray) else jax.device_put(zeros, leaf.sharding)


def _by_name(tree: PyTree) -> dict[str, Any]:
    """Leaves in the order of `jax.tree.leaves`, by slash-joined path."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    flat = {"/".join(str(key) for key in _keys(path)): leaf for path, leaf in leaves}
    if len(flat) < len(leaves):
        raise UserError("two arrays of the state have the same slash-joined path: rename one")
    return flat


def _layouts(tree: PyTree) -> dict[str, Layout]:
    paths = (path for path, _ in jax.tree_util.tree_leaves_with_path(tree))
    return {
        name: {"path": _keys(path), "shape": list(leaf.shape), "dtype": str(leaf.dtype)}
        for path, (name, leaf) in zip(paths, _by_name(tree).items(), strict=True)
    }


def _keys(path: tuple[Any, ...]) -> list[str | int]:
    """The dict keys, sequence indices and field names along a path of `jax.tree_util`."""
    return [
        next(getattr(entry, kind) for kind in ("key", "idx", "name") if hasattr(entry, kind))
        for entry in path
    ]


def _own(leaf: Any) -> Any:
    """An array that shares no memory with a device. Keys of random numbers have no numpy form and stay on theirs."""
    if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.extended):
        return jax.numpy.copy(leaf)
    on_cpu = jax.default_backend() == "cpu"
    return leaf.copy() if on_cpu and isinstance(leaf, np.ndarray) and not leaf.flags.owndata else leaf


def _as_array(leaf: Any) -> Any:
    return leaf if isinstance(leaf, jax.Array | jax.ShapeDtypeStruct) else np.asarray(leaf)


def _refuse_deleted(flat: dict[str, dict[str, Any]]) -> None:
    """Stops before Orbax does: stopped half way, it leaves threads that keep the process from ending for long."""
    deleted = [
        name
        for leaves in flat.values()
        for name, leaf in leaves.items()
        if isinstance(leaf, jax.Array) and leaf.is_deleted()
    ]
    if deleted:
        raise UserError(
            f"cannot save arrays that were donated to a later step or deleted: {_shortened(deleted)}"
        )


def _differences(saved: dict[str, Layout], wanted: dict[str, Layout]) -> list[str]:
    absent = [f"{name} is not in the checkpoint" for name in wanted if name not in saved]
    surplus = [
        f"{name} is only in the checkpoint"
        for name in saved
        if name not in wanted and not _left_behind(name, wanted)
    ]
    changed = [
        f"{name} is {_words(saved[name])} there, {_words(wanted[name])} here"
        for name in wanted
        if name in saved and _words(saved[name]) != _words(wanted[name])
    ]
    return absent + surplus + changed


def _left_behind(name: str, wanted: Collection[str]) -> bool:
    """Whether an array belongs to a tower of which nothing is asked for.

    Checkpoints from before have towers that nothing read, and moments of those that nothing trained.
    """
    tower = _TOWER.search(name)
    return tower is not None and not any(f"model/{tower[2]}/" in other for other in wanted)


def _words(layout: Layout) -> str:
    return f"{layout['dtype']}{layout['shape']}"


def _shortened(items: list[str], limit: int = 6) -> str:
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return "; ".join(items[:limit]) + more


def _read_listing(folder: Path) -> dict[str, dict[str, Layout]]:
    try:
        listing: dict[str, dict[str, Layout]] = json.loads((folder / LISTING).read_text(encoding="utf-8"))
        known = all(
            {"path", "shape", "dtype"} <= layout.keys()
            for part in ("model", "training")
            for layout in listing[part].values()
        )
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise UserError(
            f"{folder / LISTING} lists no arrays of a model and its training: {error!r}"
        ) from error
    if not known:
        raise UserError(f"{folder / LISTING} has arrays without path, shape or dtype")
    return listing
