"""Heads: what stands between a tower's pooled output and the vectors that an objective compares."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence

import jax
from flax import nnx
from jaxtyping import Array, Float

from input_pipeline.errors import UserError
from vlp.models.compute import Compute
from vlp.models.linear import linear


class MlpHead(nnx.Module):
    """Linear layers with an activation between, and perhaps a batch norm before it."""

    def __init__(
        self,
        widths: Sequence[int],
        *,
        compute: Compute,
        rngs: nnx.Rngs,
        batch_norm: bool = False,
        last_bias: bool | None = False,
        activation: Callable[[Array], Array] = jax.nn.relu,
    ):
        """Builds the layers.

        Args:
          widths: of the input, of each hidden layer, of the output.
          compute: dtype of the products.
          rngs: where initial values come from.
          batch_norm: whether hidden layers are normalised over the global batch (SLIP, ProtoCLIP); their running
            statistics are state that trains and is saved with the model.
          last_bias: whether the last layer has a bias also behind batch norms, whose layers need none; None = it has
            none in any case.
          activation: of the hidden layers.
        """
        biases = [not batch_norm] * (len(widths) - 2) + [
            last_bias is not None and (not batch_norm or last_bias)
        ]
        pairs = zip(itertools.pairwise(widths), biases, strict=True)
        self.layers = nnx.List(
            [linear(a, b, std=a**-0.5, compute=compute, rngs=rngs, use_bias=bias) for (a, b), bias in pairs]
        )
        norms = [nnx.BatchNorm(width, momentum=0.9, rngs=rngs) for width in widths[1:-1] if batch_norm]
        self.norms, self.activation = nnx.List(norms), activation

    def __call__(
        self, x: Float[Array, "*batch inputs"], *, training: bool = True
    ) -> Float[Array, "*batch outputs"]:
        """Maps rows; with `training` a batch norm reads and remembers this batch's statistics."""
        *hidden, last = self.layers
        for number, layer in enumerate(hidden):
            x = layer(x)
            if self.norms:
                x = self.norms[number](x, use_running_average=not training)
            x = self.activation(x)
        return last(x)


class Rectified(nnx.Module):
    """A linear layer and a ReLU: the first layer of a head of which the rest is thrown away."""

    def __init__(self, inputs: int, outputs: int, *, compute: Compute, rngs: nnx.Rngs):
        """Builds the layer, from `inputs` to `outputs`."""
        self.layer = linear(inputs, outputs, std=(2 / inputs) ** 0.5, compute=compute, rngs=rngs)

    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
        return jax.nn.relu(self.layer(x))


class Unprojected(nnx.Module):
    """The tower's output itself."""

    def __call__(self, x: Float[Array, "*batch width"]) -> Float[Array, "*batch width"]:
        return x


def projection(
    kind: str, width: int, embed_dim: int, *, hidden: int = 0, compute: Compute, rngs: nnx.Rngs
) -> nnx.Module:
    """Builds the projection from a tower's width to the joint space.

    Args:
      kind: 'linear' (CLIP), 'biased' (linear, with a bias: SigLIP's texts), 'mlp' (ConVIRT, arXiv 2010.00747, section
        2.2), 'gelu' (two layers with a GELU between, of which the last has no bias: some of OpenCLIP's), 'relu'
        (linear and a ReLU: SimCLRv2, 2006.10029, section 2.2), or 'none': the tower's output itself (SigLIP's images).
      width: of the tower.
      embed_dim: of the joint space.
      hidden: units between the two layers of kind 'gelu'; 0 = `embed_dim`.
      compute: dtype of the products.
      rngs: where initial values come from.

    Raises:
      ValueError: 'none' between two widths.
    """
    if kind in ("linear", "biased"):
        return linear(
            width, embed_dim, std=width**-0.5, compute=compute, rngs=rngs, use_bias=kind == "biased"
        )
    if kind == "none":
        if width != embed_dim:
            raise UserError(f"without a projection a tower of width {width} gives no {embed_dim} dimensions")
        return Unprojected()
    if kind == "relu":
        return Rectified(width, embed_dim, compute=compute, rngs=rngs)
    if kind == "gelu":
        widths, gelu = (
            (width, hidden or embed_dim, embed_dim),
            functools.partial(jax.nn.gelu, approximate=False),
        )
        return MlpHead(widths, last_bias=None, activation=gelu, compute=compute, rngs=rngs)
    return MlpHead((width, embed_dim, embed_dim), compute=compute, rngs=rngs)
