"""The same over a mesh: points are split over its data and fsdp axes, centres over its model axis."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, Float32, Int, Int32

from input_pipeline.errors import UserError
from vlp.clustering import blocks
from vlp.models.sharding import BATCH_AXES
from vlp.parallel.sharding import on_mesh

BLOCK_POINTS = 512  # on a CPU: whose scores against one block of centres stay in its caches
BLOCK_POINTS_ELSEWHERE = 4096
RESIDENT_BYTES = 1 << 30  # points that take no more than this stay on the devices between passes
POINTS, CENTRES, EVERYWHERE = PartitionSpec(BATCH_AXES), PartitionSpec("model"), PartitionSpec()
SUMS = PartitionSpec(BATCH_AXES, "model")


class Points(Protocol):
    """Rows that are read a slice at a time: an array, a memory-mapped file, many files."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice, /) -> np.ndarray: ...


class Centres(NamedTuple):
    """Centres on the devices, filled up to whole blocks, less `shift`: near zero bfloat16 is finest."""

    rows: Float[Array, "k dim"]
    half_norms: Float[Array, " k"]
    shift: Float[Array, " dim"]
    longest: Float[Array, ""]


class Sums(NamedTuple):
    """Holds what a pass adds up, for each shard of points its own: devices talk once a pass and not once a chunk."""

    rows: Float[Array, "shards k dim"]  # of the points less the centres' shift
    counts: Int[Array, "shards k"]


class Means(NamedTuple):
    """One step of Lloyd's algorithm.

    Attributes:
      centres: mean of each cluster's points; that of an empty one stays where it was.
      counts: points of each cluster.
      objective: sum of the points' squared distances to the centres they were assigned to, before they moved.
    """

    centres: Float32[np.ndarray, "k dim"]
    counts: Int[np.ndarray, " k"]
    objective: float


class Clusterer:
    """Compiled passes over points, for one mesh, one number of centres and one chunk size."""

    def __init__(self, mesh: Mesh, k: int, *, chunk_points: int, chunk_centres: int, spherical: bool) -> None:
        """Prepares the passes; each is compiled when it is first used.

        Args:
          mesh: with axes data, fsdp and model.
          k: number of centres.
          chunk_points: points on all devices at a time, rounded up to whole blocks of every device.
          chunk_centres: centres whose scores a device holds at a time.
          spherical: scale points to length 1 as they are read.
        """
        self.mesh, self.k, self.spherical = mesh, k, spherical
        shards, parts = mesh.shape["data"] * mesh.shape["fsdp"], mesh.shape["model"]
        platform = mesh.devices.flat[0].platform
        largest = BLOCK_POINTS if platform == "cpu" else BLOCK_POINTS_ELSEWHERE
        block_points = min(largest, round_up(math.ceil(chunk_points / shards), 8))
        held = math.ceil(k / parts)
        most = min(chunk_centres, blocks.MOST)
        block_centres = math.ceil(held / math.ceil(held / most))  # equal blocks: few rows to fill up
        self._unit = shards * block_points  # points of a block on every device
        self.chunk_points = round_up(chunk_points, self._unit)
        self._filled = round_up(k, parts * block_centres)
        self._shards = shards
        self._resident: tuple[Points, list] | None = None
        self._passes = _compile_passes(mesh, product_dtype(platform), block_points, block_centres)

    def step(self, points: Points, centres: Float32[np.ndarray, "k dim"]) -> Means:
        """Assigns every point to its nearest centre and takes the clusters' means.

        Raises:
          ValueError: points that are not finite.
        """
        placed, squares = self._place(centres), []
        sums = self._no_sums(points.shape[1])
        for rows, are_points, _ in self._chunks(points):
            sums, square = self._passes.accumulate(sums, rows, are_points, placed)
            squares.append(square)
        total, shift = to_host(self._passes.total(sums)), to_host(placed.shift)
        offsets, counts = total.rows[: self.k], total.counts[: self.k]
        shifted = centres - shift
        # sum |x|^2 - 2 c.(sum of x) + n |c|^2: as good as adding up distances, without visiting a point again.
        inner = np.einsum("kd,kd->k", shifted, offsets, dtype=np.float64)
        norms = np.einsum("kd,kd->k", shifted, shifted, dtype=np.float64)
        objective = sum(map(float, to_host(squares))) - 2 * inner.sum() + counts @ norms
        if not np.isfinite(objective):
            raise UserError("the points hold values that are not finite: leave those rows out")
        means = shift + offsets / np.maximum(counts, 1)[:, None]
        return Means(np.where(counts[:, None] > 0, means, centres), counts, float(objective))

    def nearest(
        self, points: Points, centres: Float32[np.ndarray, "k dim"], count: int = 1
    ) -> Iterator[tuple[Int32[np.ndarray, "n count"], Float32[np.ndarray, "n count"]]]:
        """Yields the `count` nearest centres of every point, nearest first, in float32; of equally near ones the first.

        Yields:
          For each chunk of points in turn, centre ids and squared distances.
        """
        placed = self._place(centres)
        for rows, _, valid in self._chunks(points):
            index, distances = to_host(self._passes.nearest(count)(rows, placed))
            yield index[:valid], distances[:valid]

    def _place(self, centres: Float32[np.ndarray, "k dim"]) -> Centres:
        shift = centres.mean(axis=0, dtype=np.float64).astype(np.float32)
        shifted = centres - shift
        norms = np.einsum("kd,kd->k", shifted, shifted)
        fill = self._filled - self.k
        return Centres(
            on_mesh(np.pad(shifted, ((0, fill), (0, 0))), self.mesh, CENTRES),
            on_mesh(np.pad(norms / 2, (0, fill), constant_values=blocks.NO_CENTRE), self.mesh, CENTRES),
            on_mesh(shift, self.mesh, EVERYWHERE),
            on_mesh(np.sqrt(norms.max()), self.mesh, EVERYWHERE),
        )

    def _no_sums(self, dim: int) -> Sums:
        shapes = Sums((self._shards, self._filled, dim), (self._shards, self._filled))  # type: ignore[arg-type]
        sharding = NamedSharding(self.mesh, SUMS)
        return Sums(
            jnp.zeros(shapes.rows, jnp.float32, device=sharding),
            jnp.zeros(shapes.counts, jnp.int32, device=sharding),
        )

    def _chunks(self, points: Points) -> Iterator[tuple[Array, Array, int]]:
        """(rows [chunk, dim], which of them are points [chunk], how many are) for every chunk, in order."""
        if self._resident is not None and self._resident[0] is points:
            yield from self._resident[1]
            return
        count, dim = points.shape
        stay = 4 * count * dim <= RESIDENT_BYTES
        # Equal chunks: else the last one is mostly rows that fill it up.
        rows = max(count, 1)
        size = round_up(math.ceil(rows / math.ceil(rows / self.chunk_points)), self._unit)
        kept = []
        for start in range(0, count, size):
            chunk = self._read(points, start, size)
            if stay:
                kept.append(chunk)
            yield chunk
        if stay:
            self._resident = points, kept

    def _read(self, points: Points, start: int, size: int) -> tuple[Array, Array, int]:
        """One chunk; every host reads its own rows only."""
        valid = min(size, points.shape[0] - start)

        def rows(index: Any) -> np.ndarray:
            low, high, _ = index[0].indices(size)
            read = np.asarray(points[start + low : start + max(low, min(high, valid))], np.float32)
            if self.spherical:
                read = unit_rows(read)
            return np.pad(read, ((0, high - low - len(read)), (0, 0)))

        shape, sharding = (size, points.shape[1]), NamedSharding(self.mesh, POINTS)
        are_points = on_mesh(np.arange(size) < valid, self.mesh, POINTS)
        return jax.make_array_from_callback(shape, sharding, rows), are_points, valid


class _Passes(NamedTuple):
    accumulate: Callable[..., tuple[Sums, Array]]
    nearest: Callable[[int], Callable[..., tuple[Array, Array]]]
    total: Callable[[Sums], Sums]


@functools.cache
def _compile_passes(mesh: Mesh, dtype: Any, block_points: int, block_centres: int) -> _Passes:
    """The jitted passes; one set for every clustering of the same shape in this process."""
    on_mesh = functools.partial(jax.shard_map, mesh=mesh, check_vma=False)
    sizes: dict[str, Any] = {"block_points": block_points, "block_centres": block_centres}
    centres: Any = Centres(*(CENTRES, CENTRES, EVERYWHERE, EVERYWHERE))  # type: ignore[arg-type]
    sums: Any = Sums(*(SUMS, SUMS))  # type: ignore[arg-type]
    accumulate = on_mesh(
        functools.partial(_accumulate, dtype=dtype, **sizes),
        in_specs=(sums, POINTS, POINTS, centres),
        out_specs=(sums, EVERYWHERE),
    )

    @functools.cache
    def nearest(count: int) -> Callable[..., tuple[Array, Array]]:
        local = functools.partial(_nearest, count=count, **sizes)
        return jax.jit(on_mesh(local, in_specs=(POINTS, centres), out_specs=(POINTS, POINTS)))

    def total(sums: Sums) -> Sums:
        return Sums(sums.rows.sum(axis=0), sums.counts.sum(axis=0))

    return _Passes(jax.jit(accumulate, donate_argnums=0), nearest, jax.jit(total))


def _accumulate(
    sums: Sums,
    points: Float[Array, "n dim"],
    are_points: Bool[Array, " n"],
    centres: Centres,
    *,
    dtype: Any,
    block_points: int,
    block_centres: int,
) -> tuple[Sums, Float[Array, ""]]:
    """Adds one chunk to the sums; runs on each device with its share of points and centres."""
    shifted = points - centres.shift
    index = _nearest_one(shifted, centres, dtype, block_points, block_centres)
    held = centres.rows.shape[0]
    place = index - lax.axis_index("model") * held
    # Out of range is dropped: what another device holds, and rows that are no points.
    place = jnp.where(are_points & (place >= 0) & (place < held), place, held)
    rows = jax.ops.segment_sum(shifted, place, held)
    counts = jax.ops.segment_sum(jnp.ones_like(place), place, held)
    square = jnp.sum(jnp.where(are_points, jnp.sum(shifted * shifted, axis=1), 0.0))
    return Sums(sums.rows + rows, sums.counts + counts), lax.psum(square, BATCH_AXES)


def _nearest_one(
    points: Float[Array, "n dim"], centres: Centres, dtype: Any, block_points: int, block_centres: int
) -> Int[Array, " n"]:
    """Nearest centre of each point among those of all devices, as float32 scores say."""
    cut = blocks.cut(centres.rows, centres.half_norms, block_centres)
    limits = blocks.doubt(points, centres.longest)

    def leaders(rows: Float[Array, "m dim"], limits: Float[Array, " m"], dtype: Any) -> blocks.Leaders:
        found = blocks.leaders(rows, cut, limits, block=block_points, dtype=dtype)
        return _over_devices(found, limits, len(centres.rows))

    found = leaders(points, limits, dtype)
    if dtype == jnp.float32:
        return found.place
    (places,) = jnp.nonzero(found.unsure, size=len(points), fill_value=len(points))
    # As many rounds on every device, for they meet in the comparison over the model axis.
    rounds = lax.pmax(-(-found.unsure.sum() // block_points), (*BATCH_AXES, "model"))

    def settle(turn: Array, index: Int[Array, " n"]) -> Int[Array, " n"]:
        chosen = lax.dynamic_slice_in_dim(places, turn * block_points, block_points)
        exact = leaders(points.at[chosen].get(mode="clip"), jnp.zeros(block_points), jnp.float32)
        return index.at[chosen].set(exact.place, mode="drop")

    return lax.fori_loop(0, rounds, settle, found.place)


def _over_devices(found: blocks.Leaders, limits: Float[Array, " n"], held: int) -> blocks.Leaders:
    """Leaders among the centres of every device along the model axis, with ids that count through."""
    found = found._replace(place=found.place + lax.axis_index("model") * held)
    every = lax.all_gather(found, "model")
    parts = [jax.tree.map(lambda part: part[number], every) for number in range(len(every.best))]  # noqa: B023
    return functools.reduce(functools.partial(blocks.better, limits=limits), parts)


def _nearest(
    points: Float[Array, "n dim"],
    centres: Centres,
    *,
    count: int,
    block_points: int,
    block_centres: int,
) -> tuple[Int[Array, "n count"], Float[Array, "n count"]]:
    shifted, held = points - centres.shift, centres.rows.shape[0]
    cut = blocks.cut(centres.rows, centres.half_norms, block_centres)
    scores, index = blocks.top_centres(shifted, cut, count, block=block_points)
    index += lax.axis_index("model") * held
    scores, index = (lax.all_gather(part, "model", axis=1, tiled=True) for part in (scores, index))
    scores, chosen = lax.top_k(scores, count)
    norms = jnp.sum(shifted * shifted, axis=1, keepdims=True)
    return jnp.take_along_axis(index, chosen, axis=1), jnp.maximum(norms - 2 * scores, 0.0)


def product_dtype(platform: str) -> Any:
    """Returns bfloat16 where the processor multiplies it faster than float32, else float32."""
    if platform != "cpu":
        return jnp.bfloat16
    cpu = Path("/proc/cpuinfo")
    flags = cpu.read_text(encoding="utf-8") if cpu.exists() else ""
    return jnp.bfloat16 if "avx512_bf16" in flags or "amx_bf16" in flags else jnp.float32


def unit_rows(rows: Float32[np.ndarray, "n dim"]) -> Float32[np.ndarray, "n dim"]:
    """Returns rows of length 1; a row of zeros stays one."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def to_host(tree: Any) -> Any:
    """Arrays of any sharding as numpy, whole on every host."""
    return jax.tree.map(
        lambda array: (
            np.asarray(array)
            if array.is_fully_addressable
            else np.asarray(multihost_utils.process_allgather(array, tiled=True))
        ),
        tree,
    )


def round_up(number: int, unit: int) -> int:
    """Rounds up to a multiple of a unit."""
    return -(-number // unit) * unit
