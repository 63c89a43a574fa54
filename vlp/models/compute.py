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


def _products_and(*names: str) -> Callable[..., bool]:
    """Convolutions, what blocks call by these names (`jax.ad_checkpoint.checkpoint_name`), and what cuDNN's attention
    gives beside its result for its gradient, which would run it again."""
    named = jax.checkpoint_policies.save_only_these_names(*names)
    return lambda primitive, *arguments, **options: (
        primitive is jax.lax.conv_general_dilated_p
        or primitive.name.startswith("dot_product_attention_fwd")
        or named(primitive, *arguments, **options)
    )


# What the backward pass may keep of each block's forward pass; everything else is computed again. 'none' = keep all.
REMAT_POLICIES: dict[str, Callable[..., bool] | None] = {
    "light": _products_and("qkv", "mixed", "middle", "hidden"),
    "mlp": _products_and("qkv", "mixed", "middle"),
    "dots": _products,
    "full": None,
}


Implementation = Literal["xla", "cudnn", "fused"]
KERNELS: dict[str, Implementation] = {"gpu": "cudnn", "tpu": "fused"}  # of bfloat16
CUDNN_HEAD = 128  # numbers in a head, at most; Hopper could do 256


@dataclasses.dataclass(frozen=True)
class Compute:
    """Decided once at start-up, by `resolve_compute`.

    Attributes:
      dtype: of activations and matrix products; parameters, norms' statistics and softmaxes stay float32.
      attention: 'xla' or 'cudnn', implementations of `jax.nn.dot_product_attention`, or 'fused', a TPU kernel of
        `vlp.models.fused_attention`, which leaves to 'xla' what it cannot do.
      unroll: whether the scan over blocks is unrolled: faster on CPUs and GPUs, slower to compile.
      pinned: whether tokens lie between blocks as their axes are numbered, rather than as the compiler likes it.
      remat: 'none' or a key of REMAT_POLICIES.
      micro_batch: examples whose activations are held at a time, over all devices together; 0 = the whole batch.
    """

    dtype: jnp.dtype = jnp.dtype("float32")
    attention: Implementation = "xla"
    unroll: bool = False
    pinned: bool = False
    remat: str = "none"
    micro_batch: int = 0


def resolve_compute(config: Any, platform: str = "") -> Compute:
    """Turns every 'auto' of `model` in the config into what suits the devices.

    Args:
      config: `model` of the config.
      platform: of the devices, 'cpu', 'gpu' or 'tpu'; '' = those at hand.

    Raises:
      ValueError: a kernel is asked for that the devices or the dtype have not, or a head has a size that cuDNN cannot
        do.
    """
    backend = platform or jax.default_backend()
    dtype = jnp.dtype(config.dtype)
    can = KERNELS.get(backend, "xla") if dtype == jnp.bfloat16 else "xla"
    if config.attention not in ("auto", "xla", can):
        device = next(name for name, kernel in KERNELS.items() if kernel == config.attention)
        raise UserError(
            f"model.attention={config.attention!r} needs a {device.upper()} and model.dtype='bfloat16', but this is "
            f"{backend} with {dtype}; use model.attention='auto'"
        )
    attention = "xla" if config.attention == "xla" else can
    if attention == "cudnn":
        unfit = {name: size for name, size in _head_sizes(config).items() if size % 8 or size > CUDNN_HEAD}
        if config.attention == "cudnn" and unfit:
            raise UserError(
                f"model.attention='cudnn' needs heads of a multiple of 8 and at most {CUDNN_HEAD} numbers, but those "
                f"of {' and '.join(f'model.{name} have {size}' for name, size in unfit.items())}: change heads or "
                "width, or use model.attention='auto'"
            )
        attention = "xla" if unfit else can
    return Compute(
        dtype=dtype,
        attention=attention,
        unroll=backend != "tpu" if config.scan_blocks == "auto" else config.scan_blocks == "unroll",
        pinned=backend == "gpu",
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
