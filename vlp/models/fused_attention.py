"""Self-attention of short sequences as one TPU kernel: scores never leave the chip.

A sequence's scores of one head fit into a TPU core's vector memory up to about a thousand tokens, so that neither an
online softmax nor its statistics are needed (FlashAttention, arXiv 2205.14135, with a single tile). What the
projection gives is read as it lies, heads first, and its gradient written so: nothing is transposed or copied.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float, Int

from vlp.models.sharding import BATCH_AXES

TOKENS_AT_A_TIME = 512  # of short sequences, several make a step of the grid
VECTOR_MEMORY = 64 * 2**20
LANES = 128  # of a register: results are stored at multiples of it


class _Kind(NamedTuple):
    """What a kernel is compiled for."""

    heads: int
    size: int  # numbers in a head
    causal: bool
    masked: bool
    interpret: bool


def fused_attention(
    qkv: Float[Array, "batch tokens values"],
    lengths: Int[Array, " batch"] | None,
    *,
    heads: int,
    causal: bool,
    interpret: bool = False,
) -> Float[Array, "batch tokens width"]:
    """Mixes values by the softmax of scaled scores, as `jax.nn.dot_product_attention` does.

    Args:
      qkv: query, key and value of each head side by side, one head after the other; at most some thousand tokens.
      lengths: how many leading tokens of each row are real; None = all.
      heads: how many.
      causal: whether a token sees those before it alone.
      interpret: runs without a TPU, for tests.
    """
    mesh = jax.sharding.get_abstract_mesh()
    local_heads = heads if mesh.empty else heads // mesh.shape["model"]
    size = qkv.shape[2] // (3 * heads)
    kind = _Kind(local_heads, size, causal, lengths is not None, interpret)
    everything = jnp.full(len(qkv), qkv.shape[1], jnp.int32)
    arguments = (qkv, everything if lengths is None else lengths)
    if mesh.empty:
        return _attention(kind, *arguments)
    split, rows = PartitionSpec(BATCH_AXES, None, "model"), PartitionSpec(BATCH_AXES)
    # Kernels cannot be partitioned by the compiler. Nor do they say over which axes their results differ.
    return jax.shard_map(
        functools.partial(_attention, kind), in_specs=(split, rows), out_specs=split, check_vma=False
    )(*arguments)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _attention(kind: _Kind, qkv: Array, lengths: Array) -> Array:
    return _call(kind, _forward_kernel, 2, (lengths,), (qkv,), kind.heads * kind.size)


def _forward(kind: _Kind, qkv: Array, lengths: Array) -> tuple[Array, tuple[Array, Array]]:
    return _attention(kind, qkv, lengths), (qkv, lengths)


def _backward(kind: _Kind, residuals: tuple[Array, Array], cotangent: Array) -> tuple[Array, None]:
    qkv, lengths = residuals
    return _call(kind, _backward_kernel, 5, (lengths,), (qkv, cotangent), qkv.shape[2]), None


_attention.defvjp(_forward, _backward)


def _call(
    kind: _Kind,
    kernel: Callable[..., None],
    products: int,
    scalars: tuple[Array, ...],
    arrays: tuple[Array, ...],
    width: int,
) -> Array:
    """Runs a kernel over some rows of the batch at a time; `products` of tokens x tokens x size a head are its cost."""
    batch, tokens, _ = arrays[0].shape
    rows = max(
        n for n in range(1, batch + 1) if batch % n == 0 and (n == 1 or n * tokens <= TOKENS_AT_A_TIME)
    )

    def block(last: int) -> pl.BlockSpec:
        return pl.BlockSpec((rows, tokens, last), lambda i, *_: (i, 0, 0))

    result = jax.ShapeDtypeStruct((batch, tokens, width), arrays[0].dtype)
    squares = batch * kind.heads * tokens * tokens
    return pl.pallas_call(
        functools.partial(kernel, kind),
        out_shape=result,
        grid_spec=pltpu.PrefetchScalarGridSpec(
            num_scalar_prefetch=len(scalars),
            grid=(batch // rows,),
            in_specs=[block(one.shape[2]) for one in arrays],
            out_specs=block(width),
        ),
        cost_estimate=pl.CostEstimate(
            flops=2 * products * squares * kind.size,
            transcendentals=squares,
            bytes_accessed=batch
            * tokens
            * (width + sum(one.shape[2] for one in arrays))
            * result.dtype.itemsize,
        ),
        compiler_params=pltpu.CompilerParams(
            dimension_semantics=("parallel",), vmem_limit_bytes=VECTOR_MEMORY
        ),
        interpret=kind.interpret,
    )(*scalars, *arrays)


def _forward_kernel(kind: _Kind, lengths: Any, qkv: Any, out: Any) -> None:
    first = pl.program_id(0) * qkv.shape[0]

    def row(number: Array, _: None) -> None:
        mixed = []
        for head in range(kind.heads):
            query, key, value = _parts(kind, qkv, number, head)
            weights = _weights(kind, query, key, lengths, first + number)
            mixed.append(_product(weights.astype(value.dtype), value, (1, 0)))
            _store(out, number, mixed, kind.size, head)

    jax.lax.fori_loop(0, qkv.shape[0], row, None)


def _backward_kernel(kind: _Kind, lengths: Any, qkv: Any, cotangent: Any, out: Any) -> None:
    first = pl.program_id(0) * qkv.shape[0]

    def row(number: Array, _: None) -> None:
        gradients = []
        for head in range(kind.heads):
            query, key, value = _parts(kind, qkv, number, head)
            weights = _weights(kind, query, key, lengths, first + number)
            on_mixed = cotangent[number, :, head * kind.size : (head + 1) * kind.size]
            on_weights = _product(on_mixed, value, (1, 1))
            centred = on_weights - (on_weights * weights).sum(axis=1, keepdims=True)
            on_scores = (weights * centred * _scale(kind)).astype(query.dtype)
            gradients += [
                _product(on_scores, key, (1, 0)),
                _product(on_scores, query, (0, 0)),
                _product(weights.astype(on_mixed.dtype), on_mixed, (0, 0)),
            ]
            _store(out, number, gradients, 3 * kind.size, head)

    jax.lax.fori_loop(0, qkv.shape[0], row, None)


def _parts(kind: _Kind, qkv: Any, number: Array, head: int) -> tuple[Array, Array, Array]:
    """Query, key and value of a head."""
    start = 3 * head * kind.size
    query, key, value = (
        qkv[number, :, start + part * kind.size : start + (part + 1) * kind.size] for part in range(3)
    )
    return query, key, value


def _weights(kind: _Kind, query: Array, key: Array, lengths: Any, row: Array) -> Array:
    """The softmax of the scores, float32 [tokens, tokens]."""
    scores = _product(query, key, (1, 1)) * _scale(kind)
    seen = jax.lax.broadcasted_iota(jnp.int32, scores.shape, 1)
    if kind.causal:
        scores = jnp.where(seen <= jax.lax.broadcasted_iota(jnp.int32, scores.shape, 0), scores, -1e30)
    if kind.masked:
        scores = jnp.where(seen < lengths[row], scores, -1e30)
    powers = jnp.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _scale(kind: _Kind) -> float:
    return 1 / math.sqrt(kind.size)


def _product(left: Array, right: Array, axes: tuple[int, int]) -> Array:
    """Contracts an axis of each, added up in float32."""
    dimensions = (((axes[0],), (axes[1],)), ((), ()))
    return jax.lax.dot_general(left, right, dimensions, preferred_element_type=jnp.float32)


def _store(out: Any, number: Array, columns: list[Array], width: int, head: int) -> None:
    """Stores what has come together of whole registers, and forgets it.

    Args:
      out: where to.
      number: the row.
      columns: what is not stored yet, side by side.
      width: that each head adds.
      head: the last of them.
    """
    end = (head + 1) * width
    if end % LANES and end < out.shape[2]:
        return
    part = columns[0] if len(columns) == 1 else jnp.concatenate(columns, axis=1)
    out[number, :, end - part.shape[1] : end] = part.astype(out.dtype)
    columns.clear()
