"""Stems of vision transformers: tokens row by row, and what each says of its cost is what is computed."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from ml_collections import ConfigDict

from vlp.models.compute import Compute
from vlp.models.families.stems import check_stem, stem_flops, stem_rows
from vlp.models.linear import Linear
from vlp.models.stems import STEMS

INNER, WIDTH, SIDE = 16, 24, 64


def settings(kind: str) -> ConfigDict:
    return ConfigDict({"stem": kind, "stem_width": INNER, "patch_size": 16})


@pytest.fixture(params=STEMS)
def stem(request: pytest.FixtureRequest) -> tuple[str, Any]:
    return request.param, STEMS[request.param](INNER, WIDTH, compute=Compute(), rngs=nnx.Rngs(0))


def test_a_patch_is_seen_at_its_own_token(stem: tuple[str, Any]) -> None:
    kind, module = stem
    pixels = jnp.asarray(np.random.default_rng(0).normal(size=(1, SIDE, SIDE, 3)), jnp.float32)
    before, after = module(pixels), module(pixels.at[:, 18:30, 34:46].add(1.0))
    assert before.shape == (1, 4, 4, WIDTH)
    moved = np.abs(np.asarray(after - before)).max(axis=(0, 3))
    assert np.unravel_index(moved.argmax(), moved.shape) == (1, 2)
    if kind == "nested":
        assert np.count_nonzero(moved) == 1


def products(jaxpr: Any) -> int:
    """The FLOPs of every product and convolution in a program, as often as a scan makes them."""
    flops = 0
    for step in jaxpr.eqns:
        size = math.prod(step.outvars[0].aval.shape)
        if step.primitive.name == "dot_general":
            ((contracted, _), _) = step.params["dimension_numbers"]
            flops += 2 * size * math.prod(step.invars[0].aval.shape[axis] for axis in contracted)
        elif step.primitive.name == "conv_general_dilated":
            flops += 2 * size * math.prod(step.invars[1].aval.shape[:3])
        inner = sum(products(one.jaxpr) for one in step.params.values() if hasattr(one, "jaxpr"))
        flops += inner * step.params.get("length", 1)
    return flops


def test_a_stem_costs_what_is_said(stem: tuple[str, Any]) -> None:
    kind, module = stem
    program = jax.make_jaxpr(lambda pixels: module(pixels))(jnp.zeros((1, SIDE, SIDE, 3)))
    assert stem_flops(kind, INNER, SIDE, WIDTH) == products(program.jaxpr)


def test_a_linear_layer_sees_as_many_rows_as_are_said(
    stem: tuple[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, module = stem
    layers = {id(layer): path for path, layer in nnx.iter_modules(module) if isinstance(layer, Linear)}
    seen, call = {}, Linear.__call__

    def recorded(self: Linear, inputs: Any, **options: Any) -> Any:
        seen[layers[id(self)]] = inputs.size // inputs.shape[-1]
        return call(self, inputs, **options)

    monkeypatch.setattr(Linear, "__call__", recorded)
    module(jnp.zeros((1, SIDE, SIDE, 3)))
    assert len(seen) == len(layers) == {"nested": 3, "mobile": 13}[kind]
    assert seen == {path: stem_rows(SIDE, [str(part) for part in path]) for path in layers.values()}


@pytest.mark.parametrize("changes", [{"patch_size": 14}, {"stem_width": 0}])
def test_a_stem_needs_a_width_and_patches_of_its_size(changes: dict[str, int]) -> None:
    check_stem(settings("mobile"), "model.image")
    check_stem(ConfigDict({"stem": "", "stem_width": 0, "patch_size": 14}), "model.image")
    with pytest.raises(ValueError, match=r"model.image.stem='mobile' makes tokens of patches of 16"):
        check_stem(ConfigDict({**settings("mobile").to_dict(), **changes}), "model.image")
