"""Arrays as several processes write them: each the pieces that it alone has, in files of its own.

ARRAYS/PART/00001-of-00004.safetensors holds of every array the stretches that lie on that process's devices, once
each, under `NAME@FIRST,FIRST,...`: the place of their first element. So no process waits for another while it writes,
none has to see what another has written, and whoever reads takes the stretches that it wants, whatever mesh it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from input_pipeline.errors import UserError
from vlp.checkpoint.names import ARRAYS, PIECES

Pieces = dict[str, dict[str, np.ndarray]]  # by part, and in it by name and place
_IMPLEMENTATIONS = ("threefry2x32", "rbg", "unsafe_rbg")


def own_pieces(flat: Mapping[str, Mapping[str, Any]], replicas: bool = False) -> Pieces:
    """Copies to the host what this process has to write, where no later step changes it.

    Args:
      flat: arrays by name, by part. Numpy arrays are the first process's to write.
      replicas: also what other processes have as well: all that this one needs.
    """
    return {part: dict(_pieces(arrays, replicas)) for part, arrays in flat.items()}


def file_of(part: str, process: int, processes: int) -> str:
    """Returns where a process keeps its pieces of a part, relative to the checkpoint."""
    return f"{ARRAYS}/{part}/{process + 1:05d}-of-{processes:05d}{PIECES}"


def write_pieces(folder: Path, pieces: Pieces, process: int, processes: int) -> list[str]:
    """Writes the pieces of this process; returns the names of the files, relative to the checkpoint."""
    names = []
    for part, arrays in pieces.items():
        name = file_of(part, process, processes)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save_file(arrays, folder / name)
        names.append(name)
    return names


def has_pieces(folder: Path, part: str) -> bool:
    """Tells whether a part of a checkpoint was written in pieces."""
    return any((folder / ARRAYS / part).glob(f"*{PIECES}"))


def read_pieces(folder: Path, part: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Reads arrays of a part.

    Args:
      folder: of the checkpoint.
      part: its name.
      wanted: by name, numpy arrays or `jax.ShapeDtypeStruct`s with the sharding that they get.

    Raises:
      ValueError: stretches of an array are missing.
    """
    with _Files(sorted((folder / ARRAYS / part).glob(f"*{PIECES}"))) as files:
        return {name: _read(files, name, leaf) for name, leaf in wanted.items()}


def _read(files: _Files, name: str, leaf: Any) -> Any:
    if isinstance(leaf, np.ndarray):
        return files.stretch(name, [(0, size) for size in leaf.shape], leaf.dtype)
    random = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    impl = next((one for one in _IMPLEMENTATIONS if jax.random.key(0, impl=one).dtype == leaf.dtype), None)
    like = jax.eval_shape(jax.random.key_data, leaf) if random else leaf

    def callback(index: tuple[slice, ...] | None) -> np.ndarray:
        bounds = [one.indices(size)[:2] for one, size in zip(index or (), like.shape, strict=True)]
        return files.stretch(name, bounds, like.dtype)

    array = jax.make_array_from_callback(like.shape, leaf.sharding, callback)
    return jax.random.wrap_key_data(array, impl=impl) if random else array


class _Files:
    """The files of a part, opened, and which stretches of which arrays they hold."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths, self._places = paths, dict[str, list[tuple[Any, str, tuple[int, ...]]]]()
        self._opened: list[Any] = []

    def __enter__(self) -> _Files:
        for path in self._paths:
            file = safe_open(path, framework="numpy")
            self._opened.append(file)
            for key in file.keys():  # noqa: SIM118 - it is no dict
                name, _, place = key.rpartition("@")
                first = tuple(int(one) for one in place.split(",") if one)
                self._places.setdefault(name, []).append((file, key, first))
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.clear()
        self._places.clear()

    def stretch(self, name: str, bounds: Sequence[tuple[int, int]], dtype: Any) -> np.ndarray:
        """One stretch of an array, from all pieces that touch it."""
        found = np.empty([end - start for start, end in bounds], dtype)
        filled = 0
        for file, key, first in self._places.get(name, ()):
            piece = file.get_slice(key)
            ends = [start + size for start, size in zip(first, piece.get_shape(), strict=True)]
            common = [
                (max(start, low), min(end, high))
                for (start, end), low, high in zip(bounds, first, ends, strict=True)
            ]
            if any(start >= end for start, end in common):
                continue
            there = tuple(
                slice(start - low, end - low) for (start, end), low in zip(common, first, strict=True)
            )
            here = tuple(
                slice(s - start, e - start) for (s, e), (start, _) in zip(common, bounds, strict=True)
            )
            taken = piece[there] if there else file.get_tensor(key)
            found[here] = taken
            filled += taken.size
        if filled != found.size:
            raise UserError(f"{ARRAYS} holds {filled} of {found.size} numbers of '{name}' that are asked for")
        return found


def _pieces(arrays: Mapping[str, Any], replicas: bool) -> Iterator[tuple[str, np.ndarray]]:
    for name, array in arrays.items():
        for first, data in _stretches(array, replicas):
            yield f"{name}@{','.join(map(str, first))}", data


def _stretches(array: Any, replicas: bool) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """The stretches of an array that this process has, or is the first to have, and where they begin."""
    if not isinstance(array, jax.Array):
        if replicas or jax.process_index() == 0:
            yield (0,) * array.ndim, np.array(array, order="C")
        return
    if jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key):
        array = jax.random.key_data(array)
    taken = set[tuple[int, ...]]()
    for shard in array.addressable_shards:
        first = tuple(one.start or 0 for one in shard.index)
        if first not in taken if replicas else shard.replica_id == 0:
            taken.add(first)
            yield first, np.array(shard.data, order="C", copy=True)
