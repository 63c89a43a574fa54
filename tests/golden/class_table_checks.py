"""Losses over a table of class centres: margins, sampled classes and dimensions, several labels an image."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from contrastive_checks import pairs, softmax_loss
from given import Given, made
from golden_vectors import Golden, unit, value_and_gradients

from vlp.kernels.margins import additive_angle, additive_cosine, drop_similar_negatives
from vlp.kernels.separated import joint, separated, separated_sides
from vlp.kernels.softmax import softmax
from vlp.objectives.discrimination import Discrimination
from vlp.objectives.targets import same_id

# PartialFC reports no row's loss above -log(1e-30), and differentiates as if it did.
HIGHEST_ROW_LOSS = -np.log(1e-30)


def reported(scores, targets):
    """The mean loss with each row's cut off as in PartialFC's report."""
    rows = jax.vmap(lambda row, target: softmax(row[None], target[None]).total)(scores, targets)
    return jnp.minimum(rows, HIGHEST_ROW_LOSS).mean()


def discriminated(embeddings, table, labels, **settings):
    """The objective on embeddings and a whole table, five rows at a time."""
    settings = {"classes": len(table), "rate": 1.0, "chunk": 5, **settings}
    objective = made(Discrimination, "discrimination", width=table.shape[1], **settings)
    objective.class_centres[...] = table
    return objective(Given({"image": embeddings}, cluster_ids=labels)).loss.mean()


def partial_fc(golden: Golden) -> None:
    inputs = golden.inputs("embeddings", "weight")
    labels, classes, dimensions = golden.inputs("labels", "sampled_class_ids", "sampled_feature_dims")
    targets = same_id(labels, classes)
    kinds = {"cosine": golden.number("m3_cos"), "angle_straight_through": golden.number("m2_arc")}
    kind = max(kinds, key=lambda name: kinds[name])
    assert not min(kinds.values()), "one margin of two"
    # What was sampled is the table; where a label stands in it is its number.
    numbers = jnp.argmax(targets, axis=1).astype(jnp.int32)

    def through_the_objective(embeddings, weight):
        return discriminated(
            embeddings[:, dimensions], weight[classes][:, dimensions], numbers[:, None], kernel="softmax",
            margin_kind=kind, margin=kinds[kind], scale=golden.number("s"),
            drop_above=max(golden.number("interclass_filter"), 0.0),
        )  # fmt: skip

    def scores(embeddings, weight):
        cosines = unit(embeddings[:, dimensions]) @ unit(weight[classes][:, dimensions]).T
        if golden["interclass_filter"] > 0:
            cosines = drop_similar_negatives(cosines, targets, golden.number("interclass_filter"))
        if golden["m2_arc"] > 0:
            cosines = additive_angle(cosines, targets, golden.number("m2_arc"), straight_through=True)
        return golden.number("s") * additive_cosine(cosines, targets, golden.number("m3_cos"))

    value, gradients = value_and_gradients(through_the_objective, inputs, 2)
    golden.losses(value, jax.jit(lambda *a: softmax(scores(*a), targets).mean())(*inputs))
    golden.losses(jax.jit(lambda *a: reported(scores(*a), targets))(*inputs), golden["loss_per_rank"].mean())
    golden.gradients(gradients[0], golden["grad_embeddings_as_returned"] / golden["world_size"])
    golden.gradients(gradients[1], golden["grad_weight"])


def multi_label_partial_fc(golden: Golden) -> None:
    """One softmax for each label an image keeps; public gradients are those of the sum over the labels."""
    inputs = golden.inputs("embeddings", "weight")
    labels, classes = golden.inputs("kept_labels", "sampled_class_ids_per_label")

    def over_slots(kernel, embeddings, weight):
        def slot(labels, kept):
            targets = same_id(labels, kept)
            cosines = unit(embeddings) @ unit(weight[kept]).T
            scores = golden.number("s") * additive_cosine(cosines, targets, golden.number("m3_cos"))
            return kernel(scores, targets)

        return jax.vmap(slot, in_axes=(1, 0))(labels, classes)

    def loss(*inputs):
        return over_slots(lambda *a: softmax(*a).mean(), *inputs).sum()

    gradients = value_and_gradients(loss, inputs, 2)[1]
    losses = jax.jit(functools.partial(over_slots, reported))(*inputs)
    golden.losses(losses.mean(), golden["loss_per_rank"].mean())
    golden.gradients(gradients[0], golden["grad_embeddings_as_returned"] / golden["world_size"])
    golden.gradients(gradients[1], golden["grad_weight"])


# Tag of the arrays: scale, margin, whether classes are sampled.
MLCD_SETTINGS = {
    "raw_s1": (1.0, 0.0, False),
    "s64": (64.0, 0.0, False),
    "s16": (16.0, 0.0, False),
    "s16_sampled": (16.0, 0.0, True),
    "s16_cos03_sampled": (16.0, 0.3, True),
}

# Each is two more programs to compile.
THROUGH_THE_OBJECTIVE = ("s64", "s16_cos03_sampled")


def mlcd(golden: Golden) -> None:
    inputs = golden.inputs("embeddings", "weight")
    labels, kept, centres = golden.inputs("positive_ids", "kept_class_mask", "assign_centers")
    nearest = jax.lax.top_k(unit(inputs[0]) @ unit(centres).T, labels.shape[1])[1]
    np.testing.assert_array_equal(np.sort(nearest), np.sort(labels))
    targets = (labels[:, :, None] == jnp.arange(len(kept))).any(axis=1).astype(jnp.float32)

    def loss(kernel, embeddings, weight, scale, margin, mask):
        cosines = unit(embeddings) @ unit(weight).T
        return kernel(scale * additive_cosine(cosines, targets, margin), targets, mask=mask[None]).mean()

    def positive_side(*args, **kwargs):
        return separated_sides(*args, **kwargs)[0]

    kernels = (separated, joint, positive_side)
    functions = [jax.jit(jax.value_and_grad(functools.partial(loss, k), argnums=(0, 1))) for k in kernels]
    for tag, (scale, margin, sampled) in MLCD_SETTINGS.items():
        if tag in THROUGH_THE_OBJECTIVE:
            _mlcd_through_the_objective(golden, inputs, labels, kept, tag)
        mask = kept if sampled else jnp.ones_like(kept)
        (whole, pairwise, positive) = (function(*inputs, scale, margin, mask) for function in functions)
        expected = (golden[f"{tag}_mlcd_grad_{name}"] for name in ("embeddings", "weight"))
        golden.agrees(whole, golden[f"{tag}_mlcd_loss"], *expected)
        golden.losses(positive[0], golden[f"{tag}_mlcd_pos"])
        golden.losses(whole[0] - positive[0], golden[f"{tag}_mlcd_neg"])
        golden.losses(pairwise[0], golden[f"{tag}_mlc_loss"])
        golden.gradients(pairwise[1][0], golden[f"{tag}_mlc_grad_embeddings"])


def _mlcd_through_the_objective(golden, inputs, labels, kept, tag):
    scale, margin, sampled = MLCD_SETTINGS[tag]
    classes = np.flatnonzero(golden["kept_class_mask"]) if sampled else np.arange(len(kept))
    numbers = np.full(len(kept), -1, np.int32)
    numbers[classes] = np.arange(len(classes))
    settings = {"scale": scale, "margin": margin, "margin_kind": "cosine"}

    def loss(embeddings, weight, kernel):
        return discriminated(
            embeddings, weight[classes], jnp.asarray(numbers)[labels], kernel=kernel, **settings
        )

    expected = (golden[f"{tag}_mlcd_grad_{name}"] for name in ("embeddings", "weight"))
    golden.differentiated(
        functools.partial(loss, kernel="separated"), inputs, golden[f"{tag}_mlcd_loss"], *expected
    )
    expected = golden[f"{tag}_mlc_grad_embeddings"]
    golden.differentiated(
        functools.partial(loss, kernel="joint"), inputs, golden[f"{tag}_mlc_loss"], expected
    )


def axlearn_losses(golden: Golden) -> None:
    inputs = golden.inputs("embeddings", "class_weight")
    (labels,) = golden.inputs("labels")
    targets = same_id(labels, jnp.arange(len(golden["class_weight"])))

    def large_margin(embeddings, weight):
        cosines = unit(embeddings) @ unit(weight).T
        scores = golden.number("alpha") * additive_cosine(cosines, targets, golden.number("margin"))
        return softmax(scores, targets).mean()

    expected = golden["lmcl_grad_embeddings"], golden["lmcl_grad_class_weight"]
    golden.differentiated(large_margin, inputs, golden["lmcl_loss"], *expected)
    _axlearn_pairs(golden)


def _axlearn_pairs(golden):
    image, text = golden.inputs("image_features", "text_features")
    more_images, more_texts, paddings = golden.inputs(
        "extra_image_negatives", "extra_text_negatives", "extra_text_negative_paddings"
    )
    rows, scale, smoothing = len(image), 1 / golden.number("temperature"), golden.number("label_smoothing")

    def one_direction(queries, keys, extra, counts):
        scores = scale * queries @ jnp.concatenate([keys, extra]).T
        targets = jnp.pad(pairs(rows), ((0, 0), (0, len(extra))))
        return softmax(scores, targets, mask=jnp.pad(counts, (rows, 0), constant_values=True)[None]).mean()

    def with_negatives(image, text):
        forth = one_direction(image, text, more_texts, paddings == 0)
        return (forth + one_direction(text, image, more_images, jnp.ones(len(more_images), bool))) / 2

    golden.losses(softmax_loss(image, text, scale), golden["sym_loss"])
    expected = golden["sym_neg_grad_image"], golden["sym_neg_grad_text"]
    golden.differentiated(with_negatives, [image, text], golden["sym_loss_with_negatives"], *expected)
    for direction, name in ((1.0, "i2t"), (0.0, "t2i")):
        loss = softmax_loss(image, text, scale, smoothing=smoothing, direction=direction)
        golden.losses(loss, golden[f"ce_smoothed_{name}"])


CHECKS = {
    "FORMULA_mlcd": mlcd,
    "axlearn_losses": axlearn_losses,
    "multilabel_pfc_*": multi_label_partial_fc,
    "partialfc_*": partial_fc,
}
