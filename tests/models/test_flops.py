"""Analytic FLOPs against published figures and XLA's count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from vlp.models.flops import attention_pool_flops, image_tower_flops, text_tower_flops, transformer_flops


@pytest.mark.parametrize(("patch_size", "published"), [(32, 14.78e9), (16, 41.09e9)])
def test_clip_vit_b_costs_what_open_clip_lists(patch_size: int, published: float) -> None:
    patches = (224 // patch_size) ** 2
    image = image_tower_flops(
        patches=patches, patch_dim=3 * patch_size**2, tokens=patches + 1,
        width=768, depth=12, mlp_dim=3072, embed_dim=512,
    )  # fmt: skip
    text = text_tower_flops(tokens=77, width=512, depth=12, mlp_dim=2048, embed_dim=512)
    assert image + text == pytest.approx(published, rel=0.02)


def xla_flops(function: Callable[..., Any], *shapes: tuple[int, ...]) -> float:
    arrays = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    costs = jax.jit(function).lower(*arrays).compile().cost_analysis()
    assert costs is not None
    return costs["flops"]


def test_a_block_costs_what_xla_counts() -> None:
    tokens, width, mlp_dim = 10, 24, 40

    def block(*arrays: jax.Array) -> jax.Array:
        x, query, key, value, out, up, down = arrays
        x = ((x @ query) @ (x @ key).T) @ (x @ value) @ out
        return x @ up @ down

    shapes = [(tokens, width), *[(width, width)] * 4, (width, mlp_dim), (mlp_dim, width)]
    assert transformer_flops(tokens=tokens, width=width, depth=1, mlp_dim=mlp_dim) == xla_flops(
        block, *shapes
    )
    assert transformer_flops(tokens=tokens, width=width, depth=3, mlp_dim=mlp_dim) == 3 * xla_flops(
        block, *shapes
    )


def test_attention_pooling_costs_what_xla_counts() -> None:
    tokens, width, mlp_dim = 10, 24, 40

    def pool(*arrays: jax.Array) -> jax.Array:
        x, probe, query, key, value, out, up, down = arrays
        x = ((probe @ query) @ (x @ key).T) @ (x @ value) @ out
        return x @ up @ down

    shapes = [(tokens, width), (1, width), *[(width, width)] * 4, (width, mlp_dim), (mlp_dim, width)]
    pooling = attention_pool_flops(tokens=tokens, width=width, mlp_dim=mlp_dim)
    assert pooling == xla_flops(pool, *shapes)
    without, with_pool = (
        text_tower_flops(
            tokens=tokens, width=width, depth=2, mlp_dim=mlp_dim, embed_dim=8, attention_pool=attention_pool
        )
        for attention_pool in (False, True)
    )
    assert with_pool - without == pooling
