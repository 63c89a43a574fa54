"""Losses against teachers and prototypes, and of images with several captions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from contrastive_checks import pairs, softmax_loss
from flax import nnx
from given import Given, Same, made
from golden_vectors import Golden, unit, value_and_gradients

from vlp.kernels.directions import both_directions
from vlp.kernels.distillation import cross_view_softmax, moving_centre, soft_targets
from vlp.kernels.grouping import grouped_patches, min_max, pooled_patches, sparse_weights
from vlp.kernels.margins import circle
from vlp.kernels.prototypes import cluster_means, prototype_targets
from vlp.kernels.separated import joint
from vlp.kernels.softmax import softmax
from vlp.objectives.prototypes import Prototypes
from vlp.objectives.self_distillation import SelfDistillation
from vlp.objectives.targets import same_id


def dino(golden: Golden) -> None:
    student, teacher, centre = golden.inputs("student_output", "teacher_output", "center_before")
    ranks, views = golden.number("world_size"), golden.number("ncrops")
    student = student.reshape(views, -1, student.shape[1])
    targets = soft_targets(teacher, temperature=golden.number("teacher_temp"), centre=centre[0])
    targets = targets.reshape(2, -1, student.shape[2])

    def loss(student, targets):
        return cross_view_softmax(student / golden.number("student_temp"), targets).mean()

    for rank in range(ranks):
        rows = slice(rank * student.shape[1] // ranks, (rank + 1) * student.shape[1] // ranks)
        value, gradient = value_and_gradients(loss, [student[:, rows], targets[:, rows]], 1)
        golden.losses(value, golden["loss_per_rank"][rank])
        golden.gradients(gradient[0].reshape(-1, student.shape[2]), golden["grad_student_per_rank"][rank])
    golden.losses(loss(student, targets), golden["loss_per_rank"].mean())
    if golden.dtype == jnp.float32:  # the schedules of an objective are float32
        _dino_through_the_objective(golden, student, teacher, centre[0])
    after = moving_centre(centre[0], teacher, golden.number("center_momentum"))
    golden.gradients(after, golden["center_after"][0])


def _dino_through_the_objective(golden, student, teacher, centre):
    """The head's scores are given, and its teacher has already followed."""
    temperatures = {
        name: golden.number("teacher_temp") for name in ("teacher_temperature", "first_temperature")
    }
    columns = student.shape[-1]
    objective = made(
        SelfDistillation, "self_distillation", hidden_width=4, bottleneck_width=4, prototypes=columns,
        temperature=golden.number("student_temp"), centre_momentum=golden.number("center_momentum"), **temperatures,
    )  # fmt: skip
    objective.head, objective.teacher_head, objective.teacher_tower = Same(), Same(), nnx.Dict()
    objective.centre[...] = centre
    views = {
        "global_crops": student[:2].swapaxes(0, 1),
        "local_crops": student[2:].swapaxes(0, 1),
        "teacher/global_crops": teacher.reshape(2, -1, columns).swapaxes(0, 1),
    }
    output = objective(Given(views))
    golden.losses(output.loss.mean(), golden["loss_per_rank"].mean())
    golden.gradients(objective.centre[...], golden["center_after"][0])


def protoclip(golden: Golden) -> None:
    zi, zt, scale = golden.inputs("zi", "zt", "logit_scale_proto")
    images, texts = golden.inputs("img_centroids", "text_centroids")
    text_labels, image_labels = golden.inputs("batch_text_labels", "batch_img_labels")
    by_text, by_image = _translated(golden, len(images))

    def one(features, prototypes, centroids, labels, scale, temperature):
        return softmax(
            scale * features @ prototypes.T, prototype_targets(centroids, labels, temperature)
        ).mean()

    def loss(zi, zt, scale, temperature, back_translation=True):
        image_side = by_text if back_translation else texts
        text_side = by_image if back_translation else images
        return (
            one(zi, image_side, texts, text_labels, scale, temperature)
            + one(zt, text_side, images, image_labels, scale, temperature)
        ) / 2

    for tag, temperature in (("soft001", 0.01), ("soft01", 0.1), ("hard", 0.0)):
        golden.losses(
            one(zi, by_text, texts, text_labels, scale, temperature), golden[f"{tag}_loss_img2text"]
        )
        golden.losses(
            one(zt, by_image, images, image_labels, scale, temperature), golden[f"{tag}_loss_text2img"]
        )
        expected = [golden[f"{tag}_grad_{name}"] for name in ("zi", "zt", "scale")]
        inputs = [zi, zt, scale, temperature]
        golden.differentiated(loss, inputs, golden[f"{tag}_loss_proto"], *expected)
    expected = golden["nopbt_soft001_grad_zi"], golden["nopbt_soft001_grad_zt"]
    inputs = [zi, zt, scale, 0.01, False]
    golden.differentiated(loss, inputs, golden["nopbt_soft001_loss_proto"], *expected)
    if golden.dtype == jnp.float32:  # unit rows in float32 are normalised again, which float64 would see
        for tag, settings in (
            ("soft001", {"temperature": 0.01}),
            ("soft01", {"temperature": 0.1}),
            ("hard", {"temperature": 0.0}),
            ("nopbt_soft001", {"temperature": 0.01, "back_translation": False}),
        ):
            _protoclip_through_the_objective(golden, [zi, zt, scale], tag, settings)


def _protoclip_through_the_objective(golden, inputs, tag, settings):
    """The batch is the fifth of an episode of thirteen, at its second turn; what the heads give is given."""
    images, texts = golden.inputs("img_centroids", "text_centroids")
    rows, size = len(inputs[0]), 13 * len(inputs[0])
    names = ("image", "text")

    def whole(*arrays, fill):
        """Up to whole batches, with examples that are in no cluster."""
        padded = [
            jnp.pad(x, ((0, size - len(x)), *[(0, 0)] * (x.ndim - 1)), constant_values=fill) for x in arrays
        ]
        return dict(zip(names, padded, strict=True))

    seen = whole(*golden.inputs("episode_img_features", "episode_text_features"), fill=0.0)
    kept = whole(*golden.inputs("episode_img_labels", "episode_text_labels"), fill=-1)
    batch = dict(zip(names, golden.inputs("batch_img_labels", "batch_text_labels"), strict=True))

    def loss(zi, zt, scale):
        objective = made(
            Prototypes, "prototypes", width=zi.shape[1], episode_size=size, clusters=len(images),
            dim=zi.shape[1], head_width=4, **settings,
        )  # fmt: skip
        objective.heads = {name: Same() for name in names}
        objective.remember(seen, {"image": images, "text": texts}, kept)
        for name, labels in batch.items():
            remembered = objective.labels[name]
            remembered[...] = remembered[...].at[4 * rows : 5 * rows].set(labels)
        objective.log_scale[...] = jnp.log(scale)
        return objective(Given({"image": zi, "text": zt}, step=13 + 4)).loss.mean()

    value, gradients = value_and_gradients(loss, inputs, 3)
    golden.losses(value, golden[f"{tag}_loss_proto"])
    for gradient, rows_in, name in zip(gradients, inputs, ("zi", "zt"), strict=False):
        # Of rows that are normalised, what a gradient has along them is nothing.
        whole, along = golden[f"{tag}_grad_{name}"], np.asarray(rows_in)
        golden.gradients(gradient, whole - (whole * along).sum(axis=1, keepdims=True) * along)
    if f"{tag}_grad_scale" in golden.arrays:
        golden.gradients(gradients[2], golden[f"{tag}_grad_scale"])


def _translated(golden, clusters):
    """Prototypes from the other modality's clusters, compared with those recorded."""
    images, texts = golden.inputs("episode_img_features", "episode_text_features")
    text_labels, image_labels = golden.inputs("episode_text_labels", "episode_img_labels")
    by_text, by_image = (
        cluster_means(images, text_labels, clusters),
        cluster_means(texts, image_labels, clusters),
    )
    golden.gradients(by_text, golden["pbt_img_centroids_from_text"])
    golden.gradients(by_image, golden["pbt_text_centroids_from_img"])
    return by_text, by_image


def dreamlip(golden: Golden) -> None:
    image, text, scale = golden.inputs("image_features", "text_features", "logit_scale")
    captions = text.shape[1]

    def first(image, text, scale):
        return softmax_loss(image, text[:, 0], scale) / captions

    def contrast(image, text, scale):
        return jax.vmap(softmax_loss, in_axes=(None, 1, None))(image, text, scale).mean()

    prefixes = [f"asis_{kind}" for kind in ("minmax_d0", "minmax_d1overP", "softmax_d1overP")]
    golden.losses(first(image, text, scale), golden[f"{prefixes[0]}_loss_clip_first"])
    contrasted = value_and_gradients(contrast, [image, text, scale], 3)
    settings = golden.number("circle_gamma"), golden.number("circle_margin")
    circled = value_and_gradients(_circle_loss, [image, text, *settings], 2)
    for prefix in prefixes:
        total = golden[f"{prefix}_loss_clip_first"] + golden[f"{prefix}_loss_clip_rest"]
        expected = [golden[f"{prefix}_clip_grad_{name}"] for name in ("image", "text", "scale")]
        golden.agrees(contrasted, total, *expected)
        expected = [golden[f"{prefix}_circle_grad_{name}"] for name in ("image", "text")]
        golden.agrees(circled, golden[f"{prefix}_loss_circle"], *expected)
    _grouping(golden, text)


def _circle_loss(image, text, gamma, margin):
    """Each image against all captions, a tenth of it as in the public code."""
    owners = jnp.repeat(jnp.arange(len(image)), text.shape[1])
    targets = same_id(jnp.arange(len(image)), owners)
    cosines = image @ text.reshape(-1, text.shape[2]).T
    return joint(gamma * circle(cosines, targets, margin), targets).mean() / 10


def _grouping(golden, text):
    patches, scale = golden.inputs("local_image_features", "logit_scale_local")
    # Unit rows are normalised again, as the public code does: that shows in the gradients.
    share = 1.0 / patches.shape[1]
    # The public code reads a caption-major buffer as image-major: its text row (b, t) is another image's caption.
    order = np.arange(text.shape[0] * text.shape[1]).reshape(text.shape[:2]).T.reshape(text.shape[:2])

    def loss(text, patches, scale, threshold, strengths, aligned):
        text = text if aligned else text.reshape(-1, text.shape[2])[order]
        text, patches = unit(text), unit(patches)
        similarities = jnp.einsum("btd,bpd->btp", text, patches)
        pooled = pooled_patches(sparse_weights(strengths(similarities), threshold), patches)
        text, pooled = (rows.reshape(-1, rows.shape[2]) for rows in (text, pooled))
        return both_directions(softmax, scale * pooled @ text.T, pairs(len(text)), direction=0.5).mean()

    for prefix, *settings in (
        ("asis_minmax_d0", 0.0, min_max, False),
        ("asis_minmax_d1overP", share, min_max, False),
        ("asis_softmax_d1overP", share, jax.nn.softmax, False),
        ("aligned_minmax_d1overP", share, min_max, True),
    ):
        expected = [golden[f"{prefix}_group_grad_{name}"] for name in ("text", "local", "scale_local")]
        inputs = [text, patches, scale, *settings]
        golden.differentiated(loss, inputs, golden[f"{prefix}_loss_group"], *expected)
    pooled = jax.jit(grouped_patches)(unit(text), unit(patches), share)
    golden.gradients(pooled, golden["aligned_grouped_embeddings"])
    scores = scale * jnp.einsum("bsd,btd->bst", pooled, unit(text))
    within = jax.jit(jax.vmap(softmax, in_axes=(0, None)))(scores, pairs(text.shape[1]))
    golden.losses(within.total.sum() / within.weight.sum(), golden["aligned_instance_loss_group_to_text"])


CHECKS = {"dino_w*": dino, "dreamlip": dreamlip, "protoclip": protoclip}
