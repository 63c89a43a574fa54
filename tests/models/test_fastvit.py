"""FastViT: what it says of its cost is what is computed; tests/interop/test_timm.py compares it with timm's."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from ml_collections import ConfigDict
from test_stems import products

from vlp.models.compute import Compute
from vlp.models.families import family
from vlp.models.fastvit import FastVit
from vlp.models.linear import Linear
from vlp.models.sizes import FASTVITS, convolution_size

SIDE = 68  # odd grids on the way


def settings(size: str = "MCi0", **changes: int) -> ConfigDict:
    return ConfigDict(
        {"kind": "fastvit", "size": size, "width": 16, "depth": 2, "resolution": SIDE, **changes}
    )


def tower(size: str, **compute: Any) -> FastVit:
    return FastVit(settings(size), compute=Compute(**compute), rngs=nnx.Rngs(0))


@pytest.mark.parametrize("size", ["MCi0", "MCi3"])
def test_a_tower_costs_what_is_computed(size: str) -> None:
    graphdef, state = nnx.split(nnx.eval_shape(lambda: tower(size)))
    pixels = jax.ShapeDtypeStruct((1, SIDE, SIDE, 3), jnp.float32)
    program = jax.make_jaxpr(lambda state, pixels: nnx.merge(graphdef, state)(pixels).pooled)(state, pixels)
    head = 2 * convolution_size(settings(size)).head * 8
    counted = family("image", settings(size)).forward_flops(settings(size), SIDE, 8)
    assert counted == products(program.jaxpr) + head


def test_a_linear_layer_sees_as_many_rows_as_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    module = tower("MCi0", unroll=True)
    seen: list[int] = []
    call = Linear.__call__

    def recorded(self: Linear, inputs: Any, **options: Any) -> Any:
        seen.append(math.prod(inputs.shape[:-1]))
        return call(self, inputs, **options)

    monkeypatch.setattr(Linear, "__call__", recorded)
    jax.eval_shape(lambda pixels: module(pixels).pooled, jnp.zeros((1, SIDE, SIDE, 3)))
    paths = ["/".join(map(str, path)) for path, one in nnx.iter_modules(module) if isinstance(one, Linear)]
    said = [family("image", settings()).rows(settings(), SIDE, path) for path in paths]
    assert sorted(set(seen)) == sorted(set(said)) and len(seen) == len(paths)


def test_sizes_have_as_many_numbers_as_published() -> None:
    """Millions, with the projection to the joint space, as apple/ml-mobileclip lists them."""
    small, large = {"MCi0": 11.4, "MCi1": 21.5, "MCi2": 35.7}, {"MCi3": 125.1, "MCi4": 321.6}
    published = {size: (512 if size in small else 768, count) for size, count in (small | large).items()}
    assert published.keys() == FASTVITS.keys()
    for size, (embed_dim, millions) in published.items():
        config = settings(size, width=0, depth=0)
        shapes = nnx.eval_shape(lambda config=config: FastVit(config, compute=Compute(), rngs=nnx.Rngs(0)))
        count = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(shapes)))
        projected = count + (convolution_size(config).head + 1) * embed_dim
        assert projected / 1e6 == pytest.approx(millions, rel=0.01), size


def test_remat_and_unrolling_change_nothing() -> None:
    pixels = jnp.asarray(np.random.default_rng(0).normal(size=(2, 64, 64, 3)), jnp.float32)
    outputs = [tower("MCi0", **compute)(pixels).pooled for compute in ({}, {"unroll": True, "remat": "dots"})]
    np.testing.assert_allclose(*outputs, atol=1e-5)


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="width 20 is not a multiple of 16: use 32"):
        convolution_size(settings(width=20))
