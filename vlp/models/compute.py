"""How a tower computes, as opposed to what it computes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import PyTree
from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from vlp.models.families import TOWERS, family


def _products(primitive: Any, *arguments: Any, **options: Any) -> bool:
    """Products with weights: of matrices, and convolutions."""
    return primitive is jax.lax.conv_general_dilated_p or (
        jax.checkpoint_policies.dots_with_no_batch_dims_saveable(primitive, *arguments, **options)
    )


# What the backward pass may keep of each block's forward pass; everything else is computed again. 'none' = keep all.
REMAT_POLICIES: dict[str, Callable[..., bool] | None] = {
    "dots": _products,
    "full": None,
}


CUDNN_HEAD = 128  # numbers in a head, at most; Hopper could do 256


@dataclasses.dataclass(frozen=True)
class Compute:
    """Decided once at start-up, by `resolve_compute`.

    Attributes:
      dtype: of activations and matrix products; parameters, norms' statistics and softmaxes stay float32.
      attention: implementation of `jax.nn.dot_product_attention`, 'xla' or 'cudnn'.
      unroll: whether the scan over blocks is unrolled: faster on CPU, slower to compile.
      remat: 'none' or a key of REMAT_POLICIES.
      micro_batch: examples whose activations are held at a time, over all devices together; 0 = the whole batch.
    """

    dtype: jnp.dtype = jnp.dtype("float32")
    attention: Literal["xla", "cudnn"] = "xla"
    unroll: bool = False
    remat: str = "none"
    micro_batch: int = 0


def resolve_compute(config: Any, platform: str = "") -> Compute:
    """Turns every 'auto' of `model` in the config into what suits the devices.

    Args:
      config: `model` of the config.
      platform: of the devices, 'cpu', 'gpu' or 'tpu'; '' = those at hand.

    Raises:
      ValueError: cuDNN attention is asked for where there is no GPU, the dtype is not bfloat16, or a head has a size
        that cuDNN cannot do.
    """
    backend = platform or jax.default_backend()
    dtype = jnp.dtype(config.dtype)
    has_cudnn = backend == "gpu" and dtype == jnp.bfloat16
    if config.attention == "cudnn" and not has_cudnn:
        raise UserError(
            f"model.attention='cudnn' needs a GPU and model.dtype='bfloat16', but this is {backend} with {dtype}; "
            "use model.attention='auto'"
        )
    attention: Literal["xla", "cudnn"] = "xla"
    if has_cudnn and config.attention != "xla":
        unfit = {name: size for name, size in _head_sizes(config).items() if size % 8 or size > CUDNN_HEAD}
        if config.attention == "cudnn" and unfit:
            raise UserError(
                f"model.attention='cudnn' needs heads of a multiple of 8 and at most {CUDNN_HEAD} numbers, but those "
                f"of {' and '.join(f'model.{name} have {size}' for name, size in unfit.items())}: change heads or "
                "width, or use model.attention='auto'"
            )
        attention = "xla" if unfit else "cudnn"
    return Compute(
        dtype=dtype,
        attention=attention,
        unroll=backend == "cpu" if config.scan_blocks == "auto" else config.scan_blocks == "unroll",
        remat=config.remat,
        micro_batch=config.micro_batch,
    )


def in_precision(config: Any, dtype: str) -> Any:
    """Returns `model` of a config where it computes in another precision; '' = its own."""
    if not dtype:
        return config
    settings = ConfigDict(config).copy_and_resolve_references()
    settings.update(dtype=dtype, attention="auto")
    return settings


def cast(variables: PyTree, dtype: str) -> PyTree:
    """Returns weights of a dtype, '' = their own; scalars stay: the logarithm of a scale in bfloat16 would be that of
    another, by up to half a per cent."""
    if not dtype:
        return variables

    def as_wanted(x: Any) -> Any:
        return x.astype(dtype) if x.shape and jnp.issubdtype(x.dtype, jnp.floating) else x

    return jax.tree.map(as_wanted, variables)


def _head_sizes(config: Any) -> dict[str, int]:
    """Numbers in a head of each tower that has any, by tower."""
    sizes = {tower: family(tower, config[tower]).head_size(config[tower]) for tower in TOWERS}
    return {tower: size for tower, size in sizes.items() if size}
