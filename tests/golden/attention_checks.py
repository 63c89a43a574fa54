"""Attention of a layer against a teacher's: UNIP."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from given import made
from golden_vectors import Golden

from vlp.models.attention import Attention
from vlp.models.compute import Compute
from vlp.models.sizes import TowerSize
from vlp.objectives.attention_maps import AttentionMaps


def unip(golden: Golden) -> None:
    """Scores before the softmax, the divergence, and the gradient of both."""
    tokens, kernel, bias, wanted = golden.inputs("tokens", "qkv_kernel", "qkv_bias", "teacher_logits")
    heads, width = int(golden.number("n_heads")), tokens.shape[-1]
    size = TowerSize(width=width, depth=1, heads=heads, mlp_dim=4)
    attention = Attention(size, causal=False, compute=Compute(golden.dtype), rngs=nnx.Rngs(0))

    def by_heads(theirs: jax.Array) -> jax.Array:
        parts = theirs.reshape(*theirs.shape[:-1], 3, heads, -1)
        return jnp.moveaxis(parts, -3, -2).reshape(theirs.shape)

    attention.qkv.kernel.set_value(by_heads(kernel))
    attention.qkv.bias.set_value(by_heads(bias))
    golden.gradients(attention.logits(tokens), golden["student_logits"])
    objective = made(AttentionMaps, "attention_maps", width=width)

    def loss(logits: jax.Array) -> jax.Array:
        return objective.compare(logits, wanted).mean()

    golden.differentiated(
        loss, golden.inputs("student_logits"), golden["loss"], golden["grad_student_logits"]
    )
    golden.differentiated(
        lambda tokens: loss(attention.logits(tokens)), [tokens], golden["loss"], golden["grad_tokens"]
    )


CHECKS = {"unip": unip}
