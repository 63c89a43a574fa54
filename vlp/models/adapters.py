"""Adapters: small layers beside linear ones that are held, which rules over their paths put there.

A rule names a kind and its rank: `attention/(qkv|out)$ = lora 8; mlp/down$ = bottleneck 32`; of a projection to
queries, keys and values together also which of them: `attention/qkv$ = lora 8 qv`. At first each leaves the layer as it
is. To train them alone, hold the rest: `optimizer.learning_rate_rules="/adapter/ = 1; .* = 0"`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from input_pipeline.errors import UserError
from vlp.models.compute import Compute
from vlp.models.linear import Linear, flat_dot_general
from vlp.models.shared import for_all
from vlp.path_rules import match_paths, parse_rules
from vlp.randomness import fold_in_name

WHERE = "model.adapters.rules"


class Adapter(nnx.Module):
    """Changes what a linear layer gives by two narrow matrices.

    Attributes:
      down, up: the matrices; of a stack of layers, with an axis of layers in front.
    """

    down: nnx.Param[Array]
    up: nnx.Param[Array]

    @property
    def flops(self) -> int:
        """Returns the forward FLOPs of one row of inputs in each of the layers that it stands for."""
        return 2 * (self.down.size + self.up.size)


class LowRank(Adapter):
    """Adds a product of low rank to the kernel: x A B alpha / rank, B zero at first (LoRA, arXiv 2106.09685, 4.1).

    Of queries, keys and values (section 4.2) the columns of those that a rule leaves out have no part in it: their B
    has no gradient, and stays zero. The others share A.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        rank: int,
        *,
        alpha: float,
        compute: Compute,
        key: PRNGKeyArray,
        parts: str = "",
        heads: int = 0,
    ):
        *layers, inputs, outputs = shape
        self.scale, self.dtype, self.parts, self.heads = alpha / rank, compute.dtype, parts, heads
        self.down = nnx.Param(jax.random.normal(key, (*layers, inputs, rank)) * inputs**-0.5)
        self.up = nnx.Param(jnp.zeros((*layers, rank, outputs)))

    def __call__(
        self, inputs: Float[Array, "*batch inputs"], outputs: Float[Array, "*batch outputs"]
    ) -> Float[Array, "*batch outputs"]:
        added = _product(_product(inputs.astype(self.dtype), self.down), self.up)
        if self.parts:
            # As the projection has its outputs: head by head, of each queries, keys and values.
            chosen = jnp.asarray([part in self.parts for part in QKV], added.dtype)[:, None]
            split = added.reshape(*added.shape[:-1], self.heads, len(QKV), -1) * chosen
            added = split.reshape(added.shape)
        return outputs + self.scale * added


class Bottleneck(Adapter):
    """Sends outputs through a narrow layer and adds what comes out: y + U gelu(D y), U zero at first (arXiv 1902.00751,
    section 2.1)."""

    def __init__(
        self, shape: tuple[int, ...], rank: int, *, alpha: float, compute: Compute, key: PRNGKeyArray
    ):
        del alpha
        *layers, _, outputs = shape
        self.dtype = compute.dtype
        self.down = nnx.Param(jax.random.normal(key, (*layers, outputs, rank)) * outputs**-0.5)
        self.down_bias = nnx.Param(jnp.zeros((*layers, rank)))
        self.up = nnx.Param(jnp.zeros((*layers, rank, outputs)))
        self.up_bias = nnx.Param(jnp.zeros((*layers, outputs)))

    def __call__(
        self, inputs: Float[Array, "*batch inputs"], outputs: Float[Array, "*batch outputs"]
    ) -> Float[Array, "*batch outputs"]:
        inner = _product(outputs, self.down)
        inner = nnx.gelu(inner + for_all(self.down_bias, inner.shape, self.dtype))
        return outputs + _product(inner, self.up) + for_all(self.up_bias, outputs.shape, self.dtype)


def _product(x: Float[Array, "*batch inputs"], matrix: nnx.Param[Array]) -> Float[Array, "*batch outputs"]:
    return flat_dot_general(x, matrix[...].astype(x.dtype))


QKV = "qkv"  # parts of a fused projection, in their order
KINDS: dict[str, Callable[..., Adapter]] = {"lora": LowRank, "bottleneck": Bottleneck}


def read_adapter(text: str) -> tuple[str, int, str]:
    """Reads 'lora 8' as a kind and a rank, and 'lora 8 qv' as these and parts of a projection.

    Raises:
      ValueError: there is no such kind, the rank is no number from 1, or the parts are others than q, k and v.
    """
    kind, rank, parts = (*text.split(), "", "", "")[:3]
    if kind not in KINDS or not rank.isdecimal() or not int(rank) or len(text.split()) > 3:
        raise UserError(f"an adapter is one of {', '.join(KINDS)} and a rank from 1, such as 'lora 8'")
    if parts and (kind != "lora" or not set(parts) <= set(QKV) or len(set(parts)) < len(parts)):
        raise UserError(
            f"'{parts}' are none of the parts q, k and v, which 'lora' may have, as in 'lora 8 qv'"
        )
    return kind, int(rank), parts


def adapt(model: nnx.Module, settings: Any, *, compute: Compute, rngs: nnx.Rngs) -> None:
    """Gives the linear layers of a model the adapters that rules name.

    Args:
      model: whose layers' paths begin with 'model/'.
      settings: `model.adapters` of the config, with `rules` and `alpha`.
      compute: dtype of the products.
      rngs: where initial values come from; nothing is drawn without a rule.

    Raises:
      ValueError: a rule cannot be read, matches no linear layer, or asks for a rank that is no bottleneck.
    """
    if not parse_rules(settings.rules):
        return
    layers = dict(linear_layers(model))
    found = match_paths(
        settings.rules, list(layers), default=None, convert=read_adapter, name=WHERE, what="linear layer"
    )
    key = rngs.params()
    for (path, layer), wanted in zip(layers.items(), found, strict=True):
        if wanted is not None:
            kind, rank, parts = wanted
            shape = layer.kernel.shape
            if rank > min(shape[-2:]):
                raise UserError(
                    f"{WHERE}: '{kind} {rank}' is wider than the layer {path} of {shape[-2]} x {shape[-1]}: use less"
                )
            options: dict[str, Any] = {"alpha": settings.alpha, "compute": compute}
            if parts:
                options |= {"parts": parts, "heads": _heads_of(model, path)}
            layer.adapter = KINDS[kind](shape, rank, key=fold_in_name(key, path), **options)


def _heads_of(model: nnx.Module, path: str) -> int:
    """Heads of the attention that a fused projection is of."""
    *above, name = path.split("/")[1:]
    modules: Any = dict(nnx.iter_modules(model))
    around = modules[tuple(above)]
    if any(getattr(modules[tuple(above[:depth])], "last_heads", 0) for depth in range(1, len(above))):
        raise UserError(
            f"{WHERE}: the last block of {path} has other heads: leave the parts away, or last_heads at 0"
        )
    if name != "qkv":
        raise UserError(f"{WHERE}: {path} is no projection to queries, keys and values: leave the parts away")
    return int(around.heads)


def linear_layers(model: nnx.Module) -> Iterator[tuple[str, Linear]]:
    """Yields the linear layers of a model and their slash-joined paths, which begin with 'model/'."""
    for path, module in nnx.iter_modules(model):
        if isinstance(module, Linear):
            yield "/".join(("model", *map(str, path))), module


def adapter_flops(model: nnx.Module, rows: Callable[[str], int]) -> int:
    """Counts the forward FLOPs of the adapters of a model for one example.

    Args:
      model: shapes are enough.
      rows: how many rows of inputs the layer of a path sees.
    """
    return sum(
        rows(path) * layer.adapter.flops
        for path, layer in linear_layers(model)
        if isinstance(layer.adapter, Adapter)
    )
