"""Forward FLOPs of what towers are made of, analytically: matrix products alone, 2 m n k each."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

# Forward, gradient of the inputs, gradient of the weights: three matmuls for each one of the forward pass.
FORWARDS_PER_STEP = 3


def transformer_flops(*, tokens: int, width: int, depth: int, mlp_dim: int, gated: bool = False) -> int:
    """Counts a stack of blocks for one example.

    Causal attention counts in full, for the masked half is computed as well.

    Args:
        tokens: what the blocks see.
        width: of every token.
        depth: blocks.
        mlp_dim: width within the MLPs.
        gated: whether MLPs have two layers up.
    """
    projections = 4 * (2 * tokens * width * width)  # query, key, value, output
    attention = 2 * (2 * tokens * tokens * width)  # scores, weighted values
    mlp = (3 if gated else 2) * (2 * tokens * width * mlp_dim)
    return depth * (projections + attention + mlp)


def cross_attention_flops(*, tokens: int, memory: int, width: int, memory_width: int, depth: int) -> int:
    """Counts what attention to a memory adds to a stack of blocks, for one example.

    Args:
        tokens: that ask.
        memory: tokens that are asked.
        width: of the former.
        memory_width: of the latter.
        depth: blocks.
    """
    projections = 2 * (2 * tokens * width * width) + 2 * (2 * memory * memory_width * width)
    return depth * (projections + 2 * (2 * tokens * memory * width))


def attention_pool_flops(*, tokens: int, width: int, mlp_dim: int) -> int:
    """Counts attention pooling with one learned query and an MLP, for one example."""
    projections = 2 * (2 * tokens * width * width) + 2 * (2 * width * width)  # keys, values; query, output
    return projections + 2 * (2 * tokens * width) + 2 * (2 * width * mlp_dim)


def mlp_flops(widths: Sequence[int]) -> int:
    """Counts linear layers one behind the other, for one row.

    Args:
        widths: of the input and of each layer.
    """
    return sum(2 * a * b for a, b in itertools.pairwise(widths))


def image_tower_flops(
    *,
    patches: int,
    patch_dim: int,
    tokens: int,
    width: int,
    depth: int,
    mlp_dim: int,
    embed_dim: int,
    attention_pool: bool = False,
    gated: bool = False,
    pool_mlp_dim: int = 0,
) -> int:
    """Counts a transformer over patches for one example, with its projection.

    Args:
        patches: patches that are embedded, (resolution / patch_size) ** 2.
        patch_dim: numbers in a patch, patch_size ** 2 * 3.
        tokens: what the blocks see: the patches that patch dropout keeps, class token, registers.
        width: of every token.
        depth: blocks.
        mlp_dim: width within the MLPs.
        embed_dim: width of the joint space.
        attention_pool: whether attention pools the tokens.
        gated: whether MLPs have two layers up.
        pool_mlp_dim: width within the MLP of attention pooling; 0 = `mlp_dim`.
    """
    embedding = 2 * patches * patch_dim * width
    blocks = transformer_flops(tokens=tokens, width=width, depth=depth, mlp_dim=mlp_dim, gated=gated)
    pool = 0
    if attention_pool:
        pool = attention_pool_flops(tokens=tokens, width=width, mlp_dim=pool_mlp_dim or mlp_dim)
    return embedding + blocks + pool + 2 * width * embed_dim


def text_tower_flops(
    *, tokens: int, width: int, depth: int, mlp_dim: int, embed_dim: int, attention_pool: bool = False
) -> int:
    """Counts a transformer over tokens for one example; its embedding is a look-up and costs none."""
    return image_tower_flops(
        patches=0,
        patch_dim=0,
        tokens=tokens,
        width=width,
        depth=depth,
        mlp_dim=mlp_dim,
        embed_dim=embed_dim,
        attention_pool=attention_pool,
    )


def halved(side: int) -> int:
    """Returns the side of a grid after a convolution of stride 2 whose input is padded by half its side."""
    return (side + 1) // 2
