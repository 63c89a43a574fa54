"""Regions, tags and patches: decoders are given, their losses and what goes into them are the authors'."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from golden_vectors import Golden, unit

from vlp.evaluation.dense.co_segmentation import column_weights, likely, reference, seeds, support
from vlp.kernels.alignment import contrastive_alignment
from vlp.kernels.federated import federated_sigmoid, rarity
from vlp.kernels.relation_prototypes import closeness, likeness, triplet
from vlp.kernels.softmax import softmax
from vlp.models.label_rows import label_rows
from vlp.objectives.described_tags import mixed
from vlp.objectives.federated_tags import ATTRIBUTES, CATEGORIES, distilled
from vlp.objectives.regions import fit_of_cells
from vlp.objectives.rows import own_columns
from vlp.objectives.text_pooling import signed


def rampp_reweight(golden: Golden) -> None:
    """Queries and their gradients; descriptions are used as they are stored."""
    tokens, descriptions, scale, kernel, bias, cotangent, stored = golden.inputs(
        *("image_tokens", "description_embeddings", "log_scale", "proj_kernel", "proj_bias"),
        *("cotangent", "clip_feature"),
    )
    classes = golden["n_classes"].item()
    most = len(descriptions) // classes
    labels, first = jnp.repeat(jnp.arange(classes), most), jnp.arange(classes) * most

    def total(tokens, descriptions, scale):
        rows = mixed(tokens[:, 0], label_rows(descriptions, labels, first, most), scale)
        queries = jax.nn.relu(rows @ kernel + bias)
        return (queries * cotangent).sum(), queries

    own = jax.jit(jax.value_and_grad(total, argnums=(0, 1, 2), has_aux=True))
    (_, queries), gradients = own(tokens, descriptions, scale)
    golden.gradients(queries, golden["queries"])
    for name, gradient in zip(
        ("grad_image_tokens", "grad_description_embeddings", "grad_log_scale"), gradients, strict=True
    ):
        golden.gradients(gradient, golden[name])
    golden.losses(jnp.abs(tokens[:, 0] - stored).mean(), golden["loss_dis"])


def denseclip(golden: Golden) -> None:
    """Score maps and the loss of their cells; `labels` of the file leave none out."""
    inputs = golden.inputs("visual_embeddings", "text_embeddings", "text_difference", "gamma")
    labels, shape = golden["labels"], golden["score_map"].shape

    def fit(visual, texts, difference, gamma):
        patches = visual.reshape(*visual.shape[:2], -1).swapaxes(1, 2)
        return fit_of_cells(texts + gamma * difference, patches)

    def loss(*inputs):
        scores = fit(*inputs).swapaxes(1, 2).reshape(-1, shape[1]) / golden.number("temperature")
        return softmax(scores, jnp.asarray(np.eye(shape[1])[labels.reshape(-1)], scores.dtype)).mean()

    golden.gradients(fit(*inputs).reshape(shape), golden["score_map"])
    names = ("visual_embeddings", "text_embeddings", "text_difference", "gamma")
    gradients = [golden[f"grad_{name}"] for name in names]
    golden.differentiated(loss, inputs, golden["auxiliary_loss"], *gradients)


def mdetr(golden: Golden) -> None:
    """Alignment over all queries and tokens of an image, divided by the boxes."""
    inputs = golden.inputs("query_embeddings", "token_embeddings")
    positive = jnp.asarray(golden["positive_map"])
    everything = (jnp.ones(positive.shape[:2], bool), jnp.ones(positive.shape[::2], bool))

    def loss(queries, tokens):
        scores = jnp.einsum("bqd,btd->bqt", queries, tokens) / golden.number("temperature")
        return contrastive_alignment(scores, positive, *everything).total / golden.number("num_boxes")

    gradients = golden["grad_query_embeddings"], golden["grad_token_embeddings"]
    golden.differentiated(loss, inputs, golden["contrastive_align_loss"], *gradients)


def grain_words(golden: Golden) -> None:
    """Matched regions against all descriptions, three rows at a time."""
    regions, descriptions, scale = golden.inputs("region_embeddings", "description_embeddings", "logit_scale")
    image, query, own = golden["matches"].T

    def loss(regions, descriptions, scale):
        rows, columns = unit(regions[image, query]), unit(descriptions)[own]
        return own_columns(rows, columns, scale, chunk=3)[0].mean()

    gradients = [
        golden[f"grad_{name}"] for name in ("region_embeddings", "description_embeddings", "logit_scale")
    ]
    golden.differentiated(loss, [regions, descriptions, scale], golden["loss"], *gradients)


def penet(golden: Golden) -> None:
    """Cross-entropy and the three losses that are added."""
    relations, prototypes, scale = golden.inputs("relations", "prototypes", "log_scale")
    labels = jnp.asarray(golden["labels"], jnp.int32)
    there = jnp.ones(len(labels), bool)

    def scores(relations, prototypes):
        return jnp.exp(scale) * unit(relations) @ unit(prototypes).T

    def crossed(relations, prototypes):
        return softmax(scores(relations, prototypes), jax.nn.one_hot(labels, len(prototypes))).mean()

    golden.gradients(scores(relations, prototypes), golden["logits"])
    losses = {
        "ce": crossed,
        "l21": lambda relations, prototypes: likeness(prototypes),
        "proto_distance": lambda relations, prototypes: closeness(prototypes),
        "margin": lambda relations, prototypes: triplet(relations, prototypes, labels, there).mean(),
    }

    @jax.jit
    def every(*inputs):
        return {name: jax.value_and_grad(loss, argnums=(0, 1))(*inputs) for name, loss in losses.items()}

    for name, (value, (of_relations, of_prototypes)) in every(relations, prototypes).items():
        golden.losses(value, golden[f"{name}_loss"])
        for side, gradient in (("relations", of_relations), ("prototypes", of_prototypes)):
            expected = golden[f"{name}_grad_{side}"]
            golden.gradients(gradient, expected, scale=max(np.abs(expected).max(), 1e-3))


def ovarnet(golden: Golden) -> None:
    """Attributes alone are in the federated loss, in which 2 stands for unknown."""
    logits, teacher, counts = golden.inputs("logits", "teacher_logits", "attribute_counts")
    number, unknown = golden["n_attributes"].item(), golden.number("unknown_weight")
    weights = rarity(counts.astype(golden.dtype))
    golden.losses(weights, golden["reweight"])
    states = jnp.asarray(np.where(golden["labels"] == 2, -1, golden["labels"]))
    for name, own in {
        "weighted": {"weights": weights, "unknown": unknown},
        "plain": {"unknown": unknown},
        "known_only": {"weights": weights},
    }.items():

        def loss(logits, own=own):
            return federated_sigmoid(logits[:, :number], states, **own)

        golden.differentiated(loss, [logits], golden[f"{name}_loss"], golden[f"{name}_grad_logits"])

    def divergence(logits):
        there = jnp.ones(len(logits), bool)
        parts = ((slice(None, number), ATTRIBUTES), (slice(number, None), CATEGORIES))
        return sum(weight * distilled(logits[:, at], teacher[:, at], there) for at, weight in parts)

    golden.differentiated(divergence, [logits], golden["distill_loss"], golden["distill_grad_logits"])


def flair(golden: Golden) -> None:
    """Texts are chosen by the file; the attention has one head and passes values on."""
    names = ("image_tokens", "image_features", "text_features", "logit_scale", "logit_bias")
    inputs = golden.inputs(*names)
    query, key = golden.inputs("query_kernel", "key_kernel")
    index, positive = jnp.asarray(golden["text_index"]), jnp.asarray(golden["positive"])
    batch, captions = len(index), golden["captions_per_image"].item()

    def pooled(tokens, images, texts, scale, bias):
        chosen = texts[index]
        fit = jnp.einsum("bkd,btd->bkt", chosen @ query, tokens @ key) / query.shape[1] ** 0.5
        rows = jnp.einsum("bkt,btd->bkd", jax.nn.softmax(fit), tokens)
        cosines = (unit(rows) * unit(chosen)).sum(axis=-1)
        return signed(scale * cosines + bias, positive).sum() / index.shape[1]

    def both(tokens, images, texts, scale, bias):
        yes = jnp.repeat(jnp.eye(batch, dtype=bool), captions, axis=1)
        whole = signed(scale * unit(images) @ unit(texts).T + bias, yes).sum() / len(texts) / 1.0
        return (pooled(tokens, images, texts, scale, bias) + whole) / 2

    for name, loss in (("tcs", pooled), ("tcs_mps", both)):
        gradients = [golden[f"{name}_grad_{one}"] for one in names]
        golden.differentiated(loss, inputs, golden[f"{name}_loss"], *gradients)


def reco(golden: Golden) -> None:
    """numpy's own numbers, in float64 whatever the precision."""

    def cells(name):
        array = golden[name].astype(np.float64)
        return array.reshape(*array.shape[:2], -1).swapaxes(1, 2)

    features, language, text = cells("features"), cells("language_features"), golden["text_feature"]
    weights = column_weights(features, _unit(text), _unit(golden["context_features"]), language)
    np.testing.assert_allclose(weights, golden["column_weights"].reshape(weights.shape), rtol=1e-5)
    found = support(features, weights)
    np.testing.assert_allclose(found, golden["support"], rtol=1e-5)
    np.testing.assert_array_equal(seeds(found), golden["seed_index"])
    concept = reference(features, seeds(found))
    np.testing.assert_allclose(concept, golden["reference"], rtol=1e-5)
    scores = likely(cells("query_features"), concept)
    np.testing.assert_allclose(scores, golden["query_scores"].reshape(scores.shape), rtol=1e-5)


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


CHECKS = {
    "rampp_reweight": rampp_reweight,
    "denseclip": denseclip,
    "mdetr": mdetr,
    "grain_words": grain_words,
    "penet": penet,
    "ovarnet": ovarnet,
    "flair": flair,
    "reco": reco,
}
