"""Exact nearest neighbours by dot product, of as many rows as there is time for: no score matrix is ever held.

Queries are split over the mesh's data and fsdp axes, candidates over its model axis and into chunks. A device scores a
tile of queries against its candidates with products in bfloat16, where those are fast, and keeps of every group of
candidates the greatest score: the k best candidates lie in few groups. What the bounds on the rounding leave open is
scored again in float32. A query for which too much is left open, as among many equal rows, is searched anew: with
float32 products, then by sorting all scores. So the result is that of scoring everything in float32.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Bool, Float, Float32, Int, Int32

from input_pipeline.errors import UserError
from vlp.clustering.sharded import Points, product_dtype, round_up, to_host
from vlp.models.sharding import BATCH_AXES
from vlp.parallel.mesh import data_mesh
from vlp.parallel.sharding import on_mesh

GROUP = 16  # candidates of which the greatest score is kept
KEPT = 4  # times k: groups, and candidates of those, that are looked at again
TILE, TILE_ELSEWHERE = 256, 4096  # queries scored at a time; elsewhere than on a CPU
QUERIES, CANDIDATES, EVERYWHERE = PartitionSpec(BATCH_AXES), PartitionSpec("model"), PartitionSpec()


class Found(NamedTuple):
    """The k best candidates of every query, best first; of equal scores the first candidate."""

    places: Int32[np.ndarray, "q k"]
    scores: Float32[np.ndarray, "q k"]


class Candidates(NamedTuple):
    """One chunk of candidates on the devices.

    Attributes:
      rows: in float32; those after the last repeat it.
      rounded: the same less their mean, which moves all scores of a query alike, in the products' type.
      longest: norm of the longest row.
      longest_rounded: norm of the longest row of `rounded`.
      rounding: norm of the greatest difference that rounding made.
    """

    rows: Float[Array, "c dim"]
    rounded: Float[Array, "c dim"]
    longest: Float[Array, ""]
    longest_rounded: Float[Array, ""]
    rounding: Float[Array, ""]


def search(
    queries: Points,
    candidates: Points,
    k: int,
    *,
    mesh: Mesh | None = None,
    chunk_queries: int = 65_536,
    chunk_candidates: int = 131_072,
) -> Found:
    """Returns the k candidates with the greatest dot products.

    Args:
      queries: [q, dim], an array or anything that gives slices of rows, such as a memory-mapped file.
      candidates: [c, dim], likewise.
      k: how many.
      mesh: None takes all devices for queries.
      chunk_queries: queries on all devices at a time.
      chunk_candidates: candidates on all devices at a time; a device holds the scores of one tile of queries with
        its share of them.

    Raises:
      ValueError: k is not from 1 to c, the dimensions differ, or a row is not finite.
    """
    count = candidates.shape[0]
    if not 1 <= k <= count:
        raise UserError(f"k is {k}, but there are {count} candidates: take a k from 1 to {count}")
    if queries.shape[1] != candidates.shape[1]:
        raise UserError(f"queries have {queries.shape[1]} dimensions, candidates {candidates.shape[1]}")
    mesh = mesh or data_mesh()
    searcher = _Searcher(mesh, k, chunk_queries, min(chunk_candidates, count))
    found = Found(np.zeros((queries.shape[0], k), np.int32), np.zeros((queries.shape[0], k), np.float32))
    open_ = np.arange(queries.shape[0])
    with jax.set_mesh(mesh):  # training may have set another
        for dtype in dict.fromkeys((searcher.fast, jnp.dtype(jnp.float32), None)):
            if len(open_):
                again, settled = searcher.run(_Chosen(queries, open_), candidates, dtype)
                found.places[open_], found.scores[open_] = again
                open_ = open_[~settled]
    return found


class _Chosen:
    """Some rows of others, read when they are asked for."""

    def __init__(self, rows: Points, chosen: Int[np.ndarray, " n"]) -> None:
        self._rows, self._chosen = rows, chosen
        self.shape = (len(chosen), rows.shape[1])

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        chosen = self._chosen[rows]
        if len(chosen) == chosen[-1] - chosen[0] + 1:
            return self._rows[chosen[0] : chosen[-1] + 1]
        return np.concatenate([self._rows[place : place + 1] for place in chosen])


class _Searcher:
    """Compiled passes, for one mesh, one k and one pair of chunk sizes."""

    def __init__(self, mesh: Mesh, k: int, chunk_queries: int, chunk_candidates: int) -> None:
        self.mesh, self.k = mesh, k
        platform = mesh.devices.flat[0].platform
        self.fast = jnp.dtype(product_dtype(platform))
        shards, parts = mesh.shape["data"] * mesh.shape["fsdp"], mesh.shape["model"]
        self._tile = TILE if platform == "cpu" else TILE_ELSEWHERE
        self._shards, self._unit = shards, parts * GROUP * GROUP
        self._chunk_queries, self._chunk_candidates = chunk_queries, round_up(chunk_candidates, self._unit)

    def run(self, queries: Points, candidates: Points, dtype: Any) -> tuple[Found, Bool[np.ndarray, " q"]]:
        """One pass over everything; which queries are settled by it."""
        count, k = queries.shape[0], self.k
        best = Found(np.zeros((count, k), np.int32), np.full((count, k), -np.inf, np.float32))
        settled = np.ones(count, bool)
        tile = min(self._tile, round_up(math.ceil(count / self._shards), 8))
        scan = _compile(self.mesh, k, tile, dtype)
        for start, valid, placed in self._candidate_chunks(candidates, dtype):
            for rows, chunk in self._query_chunks(queries, tile):
                scores, index, done = to_host(scan(chunk, placed, valid))
                size = rows.stop - rows.start
                settled[rows] &= done[:size]
                _merge(best, rows, scores[:size], index[:size] + start)
        return best, settled

    def _candidate_chunks(self, candidates: Points, dtype: Any) -> Iterator[tuple[int, Array, Candidates]]:
        prepare = _compile_preparation(self.mesh, dtype)
        for start in range(0, candidates.shape[0], self._chunk_candidates):
            rows = _finite(candidates[start : start + self._chunk_candidates], "candidates")
            filled = np.concatenate([rows, np.repeat(rows[-1:], -len(rows) % self._unit, axis=0)])
            mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
            placed = prepare(on_mesh(filled, self.mesh, CANDIDATES), on_mesh(mean, self.mesh, EVERYWHERE))
            yield start, on_mesh(np.array(len(rows), np.int32), self.mesh, EVERYWHERE), placed

    def _query_chunks(self, queries: Points, tile: int) -> Iterator[tuple[slice, Array]]:
        unit = self._shards * tile
        size = round_up(min(self._chunk_queries, queries.shape[0]), unit)
        for start in range(0, queries.shape[0], size):
            rows = _finite(queries[start : start + size], "queries")
            filled = np.pad(rows, ((0, -len(rows) % unit), (0, 0)))
            yield slice(start, start + len(rows)), on_mesh(filled, self.mesh, QUERIES)


def _merge(
    best: Found, rows: slice, scores: Float32[np.ndarray, "n k"], index: Int32[np.ndarray, "n k"]
) -> None:
    """Puts the best of what was found and of another chunk of candidates, which come after, in their place."""
    both = np.concatenate([best.scores[rows], scores], axis=1)
    places = np.concatenate([best.places[rows], index], axis=1)
    order = np.argsort(-both, axis=1, kind="stable")[:, : best.places.shape[1]]
    best.scores[rows] = np.take_along_axis(both, order, axis=1)
    best.places[rows] = np.take_along_axis(places, order, axis=1)


@functools.cache
def _compile_preparation(mesh: Mesh, dtype: Any) -> Callable[..., Candidates]:
    def prepare(rows: Float[Array, "c dim"], mean: Float[Array, " dim"]) -> Candidates:
        shifted = rows - mean
        rounded = _rounded(shifted, dtype or jnp.float32)
        longest = [
            lax.pmax(jnp.sqrt(jnp.max(jnp.sum(part * part, axis=1))), "model")
            for part in (rows, rounded, shifted - rounded)
        ]
        return Candidates(rows, rounded.astype(dtype or jnp.float32), *longest)

    out: Any = Candidates(CANDIDATES, CANDIDATES, EVERYWHERE, EVERYWHERE, EVERYWHERE)  # type: ignore[arg-type]
    on_mesh = jax.shard_map(
        prepare, mesh=mesh, in_specs=(CANDIDATES, EVERYWHERE), out_specs=out, check_vma=False
    )
    return jax.jit(on_mesh)


@functools.cache
def _compile(mesh: Mesh, k: int, tile: int, dtype: Any) -> Callable[..., tuple[Array, Array, Array]]:
    """(queries, candidates, how many of these there are) to scores, places and which queries are settled."""
    of_tile = _sort_tile if dtype is None else _search_tile

    def scan(queries: Float[Array, "n dim"], candidates: Candidates, valid: Array) -> tuple:
        held = candidates.rows.shape[0]
        first = lax.axis_index("model") * held
        here = jnp.clip(valid - first, 0, held)
        tiles = queries.reshape(-1, tile, queries.shape[1])
        scores, index, settled = lax.map(lambda rows: of_tile(rows, candidates, here, k), tiles)
        scores, index = scores.reshape(len(queries), -1), index.reshape(len(queries), -1) + first
        scores, index = (lax.all_gather(part, "model", axis=1, tiled=True) for part in (scores, index))
        return *_first(scores, index, k), lax.pmin(settled.reshape(-1), "model")

    candidates: Any = Candidates(CANDIDATES, CANDIDATES, EVERYWHERE, EVERYWHERE, EVERYWHERE)  # type: ignore[arg-type]
    on_mesh = jax.shard_map(
        scan,
        mesh=mesh,
        in_specs=(QUERIES, candidates, EVERYWHERE),
        out_specs=(QUERIES, QUERIES, QUERIES),
        check_vma=False,
    )
    return jax.jit(on_mesh)


def _search_tile(
    tile: Float[Array, "t dim"], candidates: Candidates, valid: Int[Array, ""], k: int
) -> tuple[Float[Array, "t k"], Int[Array, "t k"], Bool[Array, " t"]]:
    """The k best of one tile in float32, and whether no other candidate can be among them."""
    dtype = candidates.rounded.dtype
    rounded = _rounded(tile, dtype)
    scores = jnp.einsum(
        "cd,td->ct",
        candidates.rounded,
        rounded.astype(dtype),
        precision=lax.Precision.HIGHEST if dtype == jnp.float32 else lax.Precision.DEFAULT,
        preferred_element_type=jnp.float32,
    )
    # The barrier keeps XLA from computing the maxima once for each of their readers.
    maxima = lax.optimization_barrier(scores.reshape(-1, GROUP, len(tile)).max(axis=1))
    kept = KEPT * k
    group, best_left = _best_groups(maxima, kept)
    members, values = _members(scores, group)
    best, place = _top_k(jnp.where(members < valid, values, -jnp.inf), min(kept, members.shape[1]))
    limit = best[:, min(k, best.shape[1]) - 1] - 2 * _error(tile, rounded, candidates)
    settled = (best_left <= limit) & ((best[:, -1] <= limit) | (best.shape[1] == members.shape[1]))
    index = jnp.take_along_axis(members, place, axis=1)
    exact = jnp.einsum("tkd,td->tk", candidates.rows[index], tile, precision=lax.Precision.HIGHEST)
    return *_first(jnp.where(index < valid, exact, -jnp.inf), index, k), settled


def _rounded(rows: Float[Array, "n dim"], dtype: Any) -> Float[Array, "n dim"]:
    """What is left of rows in another type, as float32; XLA takes a conversion there and back for none at all."""
    kind = jnp.finfo(dtype)
    return lax.reduce_precision(rows, exponent_bits=kind.nexp, mantissa_bits=kind.nmant)


def _error(
    tile: Float[Array, "t dim"], rounded: Float[Array, "t dim"], candidates: Candidates
) -> Float[Array, " t"]:
    """How far a score of the tile's products may be from that in float32, less what is common to all candidates.

    |q.c - q'.c'| <= |q - q'| |c| + |q'| |c - c'|, and summing n float32 products moves each of the two sums by at
    most n 2^-24 |q| |c| (Higham 2002, section 3.1), for which twice as much is allowed.
    """
    change, norm = jnp.linalg.norm(tile - rounded, axis=1), jnp.linalg.norm(tile, axis=1)
    of_rounding = (
        change * (candidates.longest_rounded + candidates.rounding) + (norm + change) * candidates.rounding
    )
    return of_rounding + 4 * (tile.shape[1] + 2) * 2.0**-24 * norm * candidates.longest


def _sort_tile(
    tile: Float[Array, "t dim"], candidates: Candidates, valid: Int[Array, ""], k: int
) -> tuple[Float[Array, "t k"], Int[Array, "t k"], Bool[Array, " t"]]:
    """The same by sorting all scores."""
    scores = jnp.einsum("td,cd->tc", tile, candidates.rows, precision=lax.Precision.HIGHEST)
    scores = jnp.where(jnp.arange(scores.shape[1]) < valid, scores, -jnp.inf)
    best, index = lax.top_k(scores, min(k, scores.shape[1]))
    return best, index, jnp.ones(len(tile), bool)


def _best_groups(maxima: Float[Array, "g t"], kept: int) -> tuple[Int[Array, "t kept"], Float[Array, " t"]]:
    """The groups with the greatest maxima (all, where there are few), and a bound on the maxima of the others.

    lax.top_k visits one value at a time on a CPU: it is asked about groups of groups first.
    """
    count, tile = maxima.shape
    if count <= kept:
        return jnp.broadcast_to(jnp.arange(count), (tile, count)), jnp.full(tile, -jnp.inf)
    if count <= 2 * GROUP * kept:
        best, group = _top_k(maxima.T, kept)
        return group, best[:, -1]
    wider = lax.optimization_barrier(maxima.reshape(-1, GROUP, tile).max(axis=1))
    members, values = _members(maxima, _top_k(wider.T, kept)[1])
    best, place = _top_k(values, kept)
    return jnp.take_along_axis(members, place, axis=1), best[:, -1]


def _top_k(values: Float[Array, "t n"], k: int) -> tuple[Float[Array, "t k"], Int[Array, "t k"]]:
    """lax.top_k, which XLA would turn into a whole sort if it saw that a part of the result is read by itself.

    One barrier for each result: a common one ends the process in XLA's TopkDecomposer where a mesh splits the rows.
    """
    best, place = lax.top_k(values, k)
    return lax.optimization_barrier(best), lax.optimization_barrier(place)


def _members(
    values: Float[Array, "n t"], group: Int[Array, "t g"]
) -> tuple[Int[Array, "t m"], Float[Array, "t m"]]:
    """Where the members of each query's groups stand, and their values."""
    members = (group[:, :, None] * GROUP + jnp.arange(GROUP)).reshape(len(group), -1)
    return members, values[members, jnp.arange(len(group))[:, None]]


def _first(
    scores: Float[Array, "t n"], index: Int[Array, "t n"], k: int
) -> tuple[Float[Array, "t k"], Int[Array, "t k"]]:
    """The k greatest scores; of equal ones those of the first candidates."""
    negative, index = lax.sort((-scores, index), num_keys=2)
    return -negative[:, :k], index[:, :k]


def _finite(rows: np.ndarray, what: str) -> Float32[np.ndarray, "n dim"]:
    rows = np.asarray(rows, np.float32)
    if not np.isfinite(rows.sum()) and not np.isfinite(rows).all():
        raise UserError(f"the {what} hold values that are not finite: leave those rows out")
    return rows
