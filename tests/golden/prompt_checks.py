"""What is learned around class names and images: contexts, same-label contrasts, proxies."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from given import Given, made
from golden_vectors import Golden, unit
from ml_collections import ConfigDict

from configs.settings.model import TEXT
from configs.settings.setting import defaults
from vlp.given import Context
from vlp.models.compute import Compute
from vlp.models.text import TextTransformer
from vlp.objectives.named_classes import NamedClasses


def _tower(golden: Golden, place: str, classes: int) -> TextTransformer:
    """The text tower of the file, with a context of its size."""
    table, positions = golden.inputs("token_embedding", "positional_embedding")
    heads, count = golden["n_heads"].item(), golden["n_context"].item()
    size = {"size": "", "width": table.shape[1], "depth": 2, "heads": heads, "mlp_dim": 64}
    learned = {"context": count, "context_place": place, "context_classes": classes}
    settings = {**size, "activation": "quick_gelu", "norm_eps": 1e-5, **learned}
    tower = TextTransformer(
        ConfigDict({**defaults(TEXT), **settings}),
        vocabulary_size=len(table),
        length=len(positions),
        compute=Compute(dtype=golden.dtype),
        rngs=nnx.Rngs(0),
    )
    tower.embedding.embedding[...], tower.position.embedding[...] = table, positions
    norm = tower.transformer.norm
    norm.scale[...], norm.bias[...] = golden.inputs("ln_final_scale", "ln_final_bias")
    blocks = tower.transformer.blocks
    ours = {
        "attn_in_proj_kernel": blocks.attention.qkv.kernel,
        "attn_in_proj_bias": blocks.attention.qkv.bias,
        "attn_out_proj_kernel": blocks.attention.out.kernel,
        "attn_out_proj_bias": blocks.attention.out.bias,
        "ln_1_weight": blocks.attention_norm.scale,
        "ln_1_bias": blocks.attention_norm.bias,
        "mlp_c_fc_kernel": blocks.mlp.up.kernel,
        "mlp_c_fc_bias": blocks.mlp.up.bias,
        "mlp_c_proj_kernel": blocks.mlp.down.kernel,
        "mlp_c_proj_bias": blocks.mlp.down.bias,
        "ln_2_weight": blocks.mlp_norm.scale,
        "ln_2_bias": blocks.mlp_norm.bias,
    }
    for name, parameter in ours.items():
        layers = [golden[f"block{layer}_{name}"] for layer in range(2)]
        if "in_proj" in name:  # ours are laid out heads first
            layers = [_heads_first(one, heads) for one in layers]
        parameter[...] = jnp.asarray(np.stack(layers), golden.dtype)
    return tower


def _heads_first(parameter: np.ndarray, heads: int) -> np.ndarray:
    apart = parameter.reshape(*parameter.shape[:-1], 3, heads, -1)
    return apart.swapaxes(-3, -2).reshape(parameter.shape)


def coop(golden: Golden) -> None:
    """Through the tower that puts the context in, and the objective that reads it."""
    prompts, count = golden["prompt_ids"], golden["n_context"].item()
    names = np.concatenate([prompts[:, :1], prompts[:, 1 + count :], np.zeros_like(prompts[:, :count])], 1)
    ends = prompts.argmax(1) - count
    ids, mask = jnp.asarray(names, jnp.int32), jnp.arange(names.shape[1]) <= ends[:, None]
    images, projection, scale = golden.inputs("image_features", "text_projection", "log_scale")
    sizes = Context.from_dict({"texts": {"classes": [len(ids)] * 2}, "labels": {"classes": len(ids)}})
    objective = made(NamedClasses, "named_classes", context=sizes)
    labels = jnp.asarray(golden["labels"], jnp.int32)[:, None]

    def compare(place: str, kind: str) -> None:
        tower = _tower(golden, place, len(ids) if kind == "class" else 0)
        if tower.context.names is not None:
            tower.context.names[...] = ids
        graphdef, state = nnx.split(tower)

        @jax.jit
        def encode(context: jax.Array) -> jax.Array:
            own = nnx.merge(graphdef, state, copy=True)
            own.context.embedding[...] = context
            return unit(own(ids, mask).pooled @ projection)

        def loss(context: jax.Array) -> jax.Array:
            given = Given(
                {"image": unit(images), "classes": encode(context)},
                scale=jnp.exp(scale),
                classes_ids=labels,
            )
            return objective(given).loss.mean()

        (context,) = golden.inputs(f"context_{kind}")
        logits = jnp.exp(scale) * unit(images) @ encode(context).T
        golden.gradients(logits, golden[f"{place}_{kind}_logits"])
        name = f"{place}_{kind}"
        golden.differentiated(loss, [context], golden[f"{name}_loss"], golden[f"{name}_grad_context"])
        if name == "end_shared":
            words = tower.embedding.embedding[...][golden["template_ids"][0, 1 : 1 + count]]
            logits = jnp.exp(scale) * unit(images) @ encode(words).T
            golden.gradients(logits, golden["template_logits"])

    for place in ("end", "middle", "front"):
        for kind in ("shared", "class"):
            compare(place, kind)


CHECKS = {"coop": coop}
