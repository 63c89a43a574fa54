"""What is learned around class names and images: contexts, same-label contrasts, proxies."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from given import Given, made
from golden_vectors import TOLERANCES, Golden, unit
from ml_collections import ConfigDict

from configs.settings.model import TEXT
from configs.settings.setting import defaults
from vlp.active.balance import balanced
from vlp.active.uncertainty import CHOOSERS, Pool, negative_entropy
from vlp.evaluation.texts.class_texts import pooled
from vlp.given import Context
from vlp.models.compute import Compute
from vlp.models.text import TextTransformer
from vlp.objectives.contrastive import Contrastive
from vlp.objectives.named_classes import NamedClasses
from vlp.objectives.semantic_proxies import SemanticProxies


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
    blocks, norm = tower.transformer.blocks, tower.transformer.norm
    scale, bias = golden.inputs("ln_final_scale", "ln_final_bias")
    tower.embedding.embedding.set_value(table)
    tower.position.embedding.set_value(positions)
    norm.scale.set_value(scale)
    norm.bias.set_value(bias)
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
        parameter.set_value(jnp.asarray(np.stack(layers), golden.dtype))
    return tower


def _heads_first(parameter: np.ndarray, heads: int) -> np.ndarray:
    apart = parameter.reshape(*parameter.shape[:-1], 3, heads, -1)
    return apart.swapaxes(-3, -2).reshape(parameter.shape)


def coop(golden: Golden) -> None:
    """Through the tower that puts the context in, and the objective that reads it."""
    golden.tolerances = TOLERANCES[
        "float32"
    ]  # in which jax's attention computes its softmax, whatever it is given
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
            own.context.embedding.set_value(context)
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


def adaptclipzs(golden: Golden) -> None:
    """Directions added up: twice the objective, as the config weighs it; and its test by mean probability."""
    inputs = golden.inputs("image_features", "text_features", "temperature", "logit_scale")
    labels = jnp.asarray(golden["labels"], jnp.int32)[:, None]
    graphdef, state = nnx.split(made(Contrastive, "contrastive", targets="label", temperature=2.0))

    def loss(images: jax.Array, texts: jax.Array, temperature: jax.Array, scale: jax.Array) -> jax.Array:
        objective = nnx.merge(graphdef, state, copy=True)
        objective.temperature.set_value(temperature)
        given = Given({"image": images, "text": texts}, scale=scale, label_id=labels)
        return 2.0 * objective(given).loss.mean()

    names = ("image_features", "text_features", "temperature", "logit_scale")
    golden.differentiated(loss, inputs, golden["loss"], *(golden[f"grad_{name}"] for name in names))
    classes, rows = golden["test_sentence_class"], golden["test_sentence_features"]
    order = np.argsort(classes, kind="stable")
    texts = [[str(at) for at in order if classes[at] == one] for one in range(classes.max() + 1)]
    scale = golden.number("test_logit_scale")
    table = pooled(texts, rows[order].astype(np.float64), "probability", scale)
    logits = scale * table.scores(golden["test_image_features"])
    expected = np.log(golden["class_scores"])
    np.testing.assert_allclose(*(one - one[:, :1] for one in (logits, expected)), atol=1e-4)
    np.testing.assert_array_equal(logits.argmax(1), golden["prediction"])


def vptsp_proxy_anchor(golden: Golden) -> None:
    """Over the images of a class, of the batch or of all, and over the proxies of an image."""
    images, some, every = golden.inputs("embeddings", "batch_proxies", "all_proxies")
    labels, classes = (jnp.asarray(golden[name], jnp.int32) for name in ("labels", "batch_classes"))
    context = Context.from_dict({"labels": {"classes": len(every)}})
    margins = {f"{side}_margin": golden.number(f"delta_{side}") for side in ("positive", "negative")}
    for name, axis, proxies, numbers in (
        ("in_batch_anchor", "anchor", some, classes),
        ("all_anchor", "anchor", every, jnp.arange(len(every))),
        ("in_batch_nca", "nca", some, classes),
    ):
        settings = {"axis": axis, "scale": golden.number("alpha"), **margins}
        objective = made(SemanticProxies, "semantic_proxies", context=context, **settings)

        def loss(images: jax.Array, proxies: jax.Array, own=objective, numbers=numbers) -> jax.Array:
            return own.compare(unit(images), labels, unit(proxies), numbers).mean()

        expected = [golden[f"{name}_grad_{side}"] for side in ("embeddings", "proxies")]
        golden.differentiated(loss, [images, proxies], golden[f"{name}_loss"], *expected)


def pcb(golden: Golden) -> None:
    """The order of candidates, which class each pick is for, and the counts afterwards; who is taken is random."""
    logits = golden["logits"].astype(np.float64)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(negative_entropy(probabilities), golden["uncertainty"], atol=1e-6)
    pool = Pool(probabilities, np.zeros((len(logits), 1)), np.zeros((0, 1)))
    dice = np.random.default_rng(0)
    np.testing.assert_array_equal(CHOOSERS["entropy"](pool, len(logits), dice), golden["entropy_order"])
    predicted = logits.argmax(1)
    picks = balanced(predicted, golden["class_counts_before"], golden["n_query"].item(), dice)
    np.testing.assert_array_equal(picks.asked, golden["requested_class"])
    np.testing.assert_array_equal(picks.found, golden["from_requested_class"])
    assert (predicted[picks.places] == picks.asked)[picks.found].all()
    assert len({*picks.places.tolist()}) == golden["n_query"]
    np.testing.assert_array_equal(picks.counts, golden["class_counts_after"])


CHECKS = {"pcb": pcb, "coop": coop, "adaptclipzs": adaptclipzs, "vptsp_proxy_anchor": vptsp_proxy_anchor}
