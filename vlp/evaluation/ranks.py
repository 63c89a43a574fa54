"""Ranks of right answers among candidates: the one computation under every figure here.

Queries are split over all devices and candidates come in blocks, so that the score matrix is never held. Scores are
computed in float64, which processors and the GPUs of data centres multiply as fast as float32 to its last bit: no
rounding decides who stands first, and the ranks are the same on any number of devices.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Float64, Int, Int32, Int64

from vlp.clustering.sharded import to_host
from vlp.parallel.mesh import data_mesh

# Scores of unit rows are computed in float64, where the order of summation moves them by some 1e-15.
# Scores closer than this are the same score, whatever the block they were computed in.
TIE = 1e-9
CHUNK_QUERIES = 65_536  # on all devices at a time
BLOCK_CANDIDATES = 8192
TILE, TILE_ELSEWHERE = 256, 4096  # queries scored at a time; elsewhere than on a CPU
CELLS = 16_384  # scored at a time on the host
QUERIES, EVERYWHERE = PartitionSpec("data"), PartitionSpec()


def best_ranks(
    queries: Float[np.ndarray, "q dim"],
    candidates: Float[np.ndarray, "c dim"],
    pairs: Int[np.ndarray, "p 2"],
    *,
    ignored: Int[np.ndarray, "i 2"] | None = None,
    mesh: Mesh | None = None,
) -> Int64[np.ndarray, " q"]:
    """Rank, from 1, of each query's best-scoring right answer among all candidates.

    `pairs` lists (query, candidate) where the candidate is a right answer; a query may have several. Those of
    `ignored` are no candidates of that query. Wrong candidates with an equal score, or one that is not a number,
    rank before the right answer, so that a collapsed model earns nothing. A device holds the scores of TILE queries
    with BLOCK_CANDIDATES candidates at a time. All processes of a run have to ask the same.

    Args:
        mesh: whose data axis the queries are split over; None takes all devices.

    Raises:
        ValueError: a query without a right answer.
    """
    pairs = np.unique(pairs, axis=0)
    unanswered = np.setdiff1d(np.arange(len(queries)), pairs[:, 0])
    if len(unanswered):
        raise ValueError(f"query {unanswered[0]} has no right answer: leave it out before ranking")
    beside = pairs if ignored is None else np.unique(np.concatenate([pairs, ignored]), axis=0)
    mesh = mesh or _exact_mesh()
    ranks = np.empty(len(queries), np.int64)
    for start in range(0, len(queries), CHUNK_QUERIES):
        rows = queries[start : start + CHUNK_QUERIES]
        own, others = (_of_chunk(cells, start, len(rows)) for cells in (pairs, beside))
        scores = _scores(rows, candidates, own)
        least = np.maximum.reduceat(scores, np.searchsorted(own[:, 0], np.arange(len(rows)))) - TIE
        before = ~(_scores(rows, candidates, others) < least[others[:, 0]])
        uncounted = np.bincount(others[before, 0], minlength=len(rows))
        ranks[start : start + CHUNK_QUERIES] = 1 + _not_below(rows, candidates, least, mesh) - uncounted
    return ranks


def _not_below(
    queries: Float[np.ndarray, "n dim"],
    candidates: Float[np.ndarray, "c dim"],
    least: Float64[np.ndarray, " n"],
    mesh: Mesh,
) -> Int32[np.ndarray, " n"]:
    """How many candidates score no less than each query asks."""
    platform, shards = mesh.devices.flat[0].platform, mesh.size
    tile = min(TILE if platform == "cpu" else TILE_ELSEWHERE, _power_of_two(-(-len(queries) // shards)))
    # Few shapes, so that few programs are compiled.
    filled = tile * shards * _rounded_up(-(-len(queries) // (tile * shards)))
    block = min(BLOCK_CANDIDATES, _power_of_two(len(candidates)))
    count = _compile(mesh, tile)
    with jax.enable_x64(True), jax.set_mesh(mesh):
        rows = _put(mesh, _filled(queries, filled), QUERIES)
        limits = _put(mesh, _filled(least, filled), QUERIES)
        counts = _put(mesh, np.zeros(filled, np.int32), QUERIES)
        for start in range(0, len(candidates), block):
            part = candidates[start : start + block]
            placed = _put(mesh, _filled(part, block), EVERYWHERE)
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


def _exact_mesh() -> Mesh:
    """All devices, if float64 is theirs; TPUs imitate it with float32, so there each host takes its processors."""
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


def _scores(
    queries: Float[np.ndarray, "n dim"], candidates: Float[np.ndarray, "c dim"], cells: Int[np.ndarray, "m 2"]
) -> Float64[np.ndarray, " m"]:
    """The scores of some (query, candidate)."""
    parts = [cells[start : start + CELLS] for start in range(0, len(cells), CELLS)]
    return np.concatenate(
        [
            np.einsum("pd,pd->p", queries[part[:, 0]], candidates[part[:, 1]], dtype=np.float64)
            for part in parts
        ]
    )


def _of_chunk(cells: Int[np.ndarray, "n 2"], start: int, count: int) -> Int[np.ndarray, "m 2"]:
    """Cells of some consecutive queries, which count from 0 then."""
    first, last = np.searchsorted(cells[:, 0], (start, start + count))
    return cells[first:last] - (start, 0)


def _filled(rows: np.ndarray, count: int) -> np.ndarray:
    return np.concatenate([rows, np.zeros((count - len(rows), *rows.shape[1:]), rows.dtype)])


def _put(mesh: Mesh, array: np.ndarray, spec: PartitionSpec) -> Array:
    return jax.make_array_from_callback(array.shape, NamedSharding(mesh, spec), lambda index: array[index])


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()


def _rounded_up(number: int) -> int:
    """To one of eight numbers between two powers of two."""
    unit = max(1, _power_of_two(number) // 16)
    return -(-number // unit) * unit
