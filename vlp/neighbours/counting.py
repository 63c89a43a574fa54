"""How many candidates score no less than a query asks: on all devices, in float64, and no score matrix is ever held.

Queries are split over the devices and candidates come in blocks. Processors and the GPUs of data centres multiply
float64 as fast as float32 to its last bit: no rounding decides who stands first, and the counts are the same on any
number of devices.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float, Float64, Int, Int32

from vlp.clustering.sharded import to_host
from vlp.parallel.mesh import data_mesh
from vlp.parallel.sharding import on_mesh

BLOCK_CANDIDATES = 8192
TILE, TILE_ELSEWHERE = 256, 4096  # queries scored at a time; elsewhere than on a CPU
QUERIES, EVERYWHERE = PartitionSpec("data"), PartitionSpec()


def count_not_below(
    queries: Float[np.ndarray, "n dim"],
    candidates: Float[np.ndarray, "c dim"],
    least: Float64[np.ndarray, " n"],
    mesh: Mesh | None = None,
) -> Int32[np.ndarray, " n"]:
    """Returns how many candidates score no less than each query asks, or are not a number.

    A device holds the scores of TILE queries with BLOCK_CANDIDATES candidates at a time.

    Args:
        queries: on all devices at once.
        candidates: an array or a memory-mapped file.
        least: score that counts, of each query.
        mesh: whose data axis the queries are split over; None takes all devices.
    """
    mesh = mesh or exact_mesh()
    platform, shards = mesh.devices.flat[0].platform, mesh.size
    tile = min(TILE if platform == "cpu" else TILE_ELSEWHERE, _power_of_two(-(-len(queries) // shards)))
    # Few shapes, so that few programs are compiled.
    filled = tile * shards * _rounded_up(-(-len(queries) // (tile * shards)))
    block = min(BLOCK_CANDIDATES, _power_of_two(len(candidates)))
    count = _compile(mesh, tile)
    with jax.enable_x64(True), jax.set_mesh(mesh):
        rows = on_mesh(_filled(queries, filled), mesh, QUERIES)
        limits = on_mesh(_filled(least, filled), mesh, QUERIES)
        counts = on_mesh(np.zeros(filled, np.int32), mesh, QUERIES)
        for start in range(0, len(candidates), block):
            part = candidates[start : start + block]
            placed = on_mesh(_filled(part, block), mesh, EVERYWHERE)
            before, counts = counts, count(rows, limits, placed, np.int32(len(part)), counts)
            jax.block_until_ready(before)  # one block ahead of the devices is enough
        return to_host(counts)[: len(queries)]


@functools.cache
def _compile(mesh: Mesh, tile: int) -> Callable[..., Array]:
    """Adds to the counts of each query, on its device, those of one block of candidates."""

    def count(
        queries: Float[Array, "n dim"],
        least: Float[Array, " n"],
        candidates: Float[Array, "c dim"],
        valid: Int[Array, ""],
        counts: Int[Array, " n"],
    ) -> Int[Array, " n"]:
        wide = candidates.astype(jnp.float64)

        def of_tile(part: tuple[Array, Array]) -> Int[Array, " t"]:
            scores = jnp.einsum(
                "td,cd->tc", part[0].astype(jnp.float64), wide, precision=lax.Precision.HIGHEST
            )
            # Written as "not below" so that a nan on either side counts against the model.
            before = ~(scores < part[1][:, None]) & (jnp.arange(len(wide)) < valid)
            return before.sum(axis=1, dtype=jnp.int32)

        tiles = queries.reshape(-1, tile, queries.shape[1]), least.reshape(-1, tile)
        return counts + lax.map(of_tile, tiles).reshape(-1)

    specs = (QUERIES, QUERIES, EVERYWHERE, EVERYWHERE, QUERIES)
    return jax.jit(jax.shard_map(count, mesh=mesh, in_specs=specs, out_specs=QUERIES, check_vma=False))


def exact_mesh() -> Mesh:
    """Returns all devices, if float64 is theirs; TPUs imitate it with float32, so there each host takes its
    processors."""
    if jax.default_backend() != "tpu":
        return data_mesh()
    try:
        return data_mesh(jax.local_devices(backend="cpu"))
    except RuntimeError:
        logging.warning(
            "ranks are counted on TPUs, where scores closer than some 1e-6 cannot be told apart: set "
            "JAX_PLATFORMS=tpu,cpu to have them counted on the hosts"
        )
        return data_mesh()


def _filled(rows: np.ndarray, count: int) -> np.ndarray:
    return np.concatenate([rows, np.zeros((count - len(rows), *rows.shape[1:]), rows.dtype)])


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()


def _rounded_up(number: int) -> int:
    """To one of eight numbers between two powers of two."""
    unit = max(1, _power_of_two(number) // 16)
    return -(-number // unit) * unit
