"""Losses of image-text pairs: softmax and sigmoid, on one device and as what each of several ranks gets."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from given import Given, made
from golden_vectors import Golden, unit, value_and_gradients

from vlp.given import Context
from vlp.kernels.sigmoid import asymmetric_sigmoid, sigmoid
from vlp.kernels.softmax import softmax
from vlp.models.micro_batch import micro_batched
from vlp.objectives.contrastive import Contrastive
from vlp.objectives.distillation import Distillation
from vlp.objectives.identities import Identities
from vlp.objectives.targets import same_id
from vlp.objectives.view_contrast import ViewContrast


def pairs(rows: int) -> jax.Array:
    return same_id(jnp.arange(rows), jnp.arange(rows))


CHUNK = 3  # of the same losses tile by tile


def contrasted(image, text, scale, bias=0.0, ids=None, **settings):
    """The objective on embeddings; with ids, equal ones match."""
    targets = {} if ids is None else {"targets": "label"}
    objective = made(Contrastive, "contrastive", **targets, **settings)
    batch = {} if ids is None else {"label_id": ids}
    return objective(Given({"image": image, "text": text}, scale=scale, bias=bias, **batch)).loss.mean()


def softmax_loss(image, text, scale, bias=0.0, smoothing=0.0, direction=0.5, chunk=0):
    settings = {"label_smoothing": smoothing, "direction": direction, "chunk": chunk}
    return contrasted(image, text, scale, bias, **settings)


def with_and_without_tiles(golden, loss, inputs, value, *gradients):
    """The whole score matrix at once, and a few rows of it at a time."""
    golden.differentiated(loss, inputs, value, *gradients)
    golden.differentiated(functools.partial(loss, chunk=CHUNK), inputs, value, *gradients)


def one_sided_softmax_loss(image, text, scale):
    """The gathered side of each direction is a constant: what ranks optimise that gather without a gradient."""
    constant = jax.lax.stop_gradient
    forth = softmax(scale * image @ constant(text).T, pairs(len(image))).mean()
    back = softmax(scale * text @ constant(image).T, pairs(len(image))).mean()
    return (forth + back) / 2


def sigmoid_loss(image, text, scale, bias, chunk=0):
    return contrasted(image, text, scale, bias, kernel="sigmoid", chunk=chunk)


def clip_openclip(golden: Golden) -> None:
    inputs = golden.inputs("image_features", "text_features", "logit_scale", "logit_bias")
    names = ("image_features", "text_features", "logit_scale")
    expected = [golden[f"grad_{name}"] for name in names]
    with_and_without_tiles(golden, softmax_loss, inputs[:3], golden["loss"], *expected)
    golden.losses(softmax_loss(*inputs), golden["loss_with_bias"])
    gradients = jax.grad(softmax_loss, argnums=(0, 3))(*inputs)
    golden.gradients(gradients[0], golden["grad_image_features_with_bias"])
    golden.gradients(gradients[1], golden["grad_logit_bias"], scale=1.0)
    *rows, taught = golden.inputs("teacher_image_features", "teacher_text_features", "teacher_logit_scale")
    context = Context.from_dict({"frozen": {"teacher": [rows[0].shape[1], 0, 0]}})

    def distilled(image, text, scale):
        objective = made(Distillation, "distillation", context=context, divergence="cross_entropy")
        given = Given({"image": image, "text": text}, scale=scale)
        given.frozen = lambda name: Given({"image": rows[0], "text": rows[1]}, scale=taught)
        return objective(given).loss.mean()

    expected = (golden[f"grad_{name}_distill"] for name in names)
    golden.differentiated(distilled, inputs[:3], golden["distill_loss"], *expected)


def clip_openclip_dist4(golden: Golden) -> None:
    inputs, ranks = golden.inputs("image_features", "text_features", "logit_scale"), golden["world_size"]
    loss, true = value_and_gradients(softmax_loss, inputs, 3)
    one_sided = value_and_gradients(one_sided_softmax_loss, inputs, 2)[1]
    golden.losses(loss, golden["single_process_loss"])
    golden.gradients(true[0], golden["single_process_grad_image_features"])
    for local, gather in ((0, 0), (0, 1), (1, 0), (1, 1)):
        prefix = f"local{local}_gradgather{gather}"
        golden.losses(loss, golden[f"{prefix}_loss_per_rank"].mean())
        features = one_sided if (local, gather) == (1, 0) else true
        factor = 1 if (local, gather) == (0, 0) else ranks
        for gradient, side in zip(features, ("image", "text"), strict=False):
            golden.gradients(gradient, golden[f"{prefix}_grad_{side}_features"] / factor)
        golden.gradients(true[2], golden[f"{prefix}_grad_logit_scale_per_rank"].mean())


def siglip_openclip(golden: Golden) -> None:
    names = ("image_features", "text_features", "logit_scale", "logit_bias")
    inputs = golden.inputs(*names)
    expected = [golden[f"grad_{name}"] for name in names]
    with_and_without_tiles(golden, sigmoid_loss, inputs, golden["loss"], *expected)

    def chunked(image, text, scale, bias):
        rows = [slice(start, start + 5) for start in range(0, len(image), 5)]
        parts = [sigmoid(scale * image[i] @ text.T + bias, pairs(len(image))[i]) for i in rows]
        return sum(part.total for part in parts) / sum(part.weight for part in parts)

    golden.differentiated(chunked, inputs, golden["loss_chunked5"], golden["grad_image_features_chunked5"])


def siglip_openclip_dist4(golden: Golden) -> None:
    inputs = golden.inputs("image_features", "text_features", "logit_scale", "logit_bias")
    loss, gradients = value_and_gradients(sigmoid_loss, inputs, 4)
    golden.losses(loss, golden["single_process_loss"])
    for exchange in ("bidir", "shift", "reduce", "gather"):
        golden.losses(loss, golden[f"{exchange}_loss_per_rank"].mean())
        for gradient, side in zip(gradients[:2], ("image", "text"), strict=True):
            golden.gradients(gradient, golden[f"{exchange}_grad_{side}_features"] / golden["world_size"])
        for gradient, name in zip(gradients[2:], ("scale", "bias"), strict=True):
            golden.gradients(gradient, golden[f"{exchange}_grad_logit_{name}_per_rank"].mean())


def siglip_bigvision(golden: Golden) -> None:
    inputs = golden.inputs("image_features", "text_features", "t", "bias")
    expected = (golden[f"pjit_grad_{name}"] for name in ("image", "text", "t", "bias"))
    golden.differentiated(sigmoid_loss, inputs, golden["pjit_loss"], *expected)
    for variant in ("sigmoid_loss", "chunked_sigmoid_loss"):
        _per_device(golden, sigmoid_loss, inputs, variant, f"{variant}_loss_per_device", ("t", "bias"))
    inputs = golden.inputs("image_features", "text_features", "softmax_t")
    _per_device(golden, softmax_loss, inputs, "softmax", "softmax_loss_per_device", ("t",))
    for direction, name in ((1.0, "i2t"), (0.0, "t2i")):
        loss = softmax_loss(*inputs, direction=direction)
        golden.losses(loss, golden[f"softmax_{name}_loss_per_device"].mean())


def _per_device(golden, loss, inputs, variant, loss_name, scalars):
    value, gradients = value_and_gradients(loss, inputs, len(inputs))
    golden.losses(value, golden[loss_name].mean())
    for gradient, side in zip(gradients[:2], ("image", "text"), strict=True):
        per_device = golden[f"{variant}_grad_{side}_per_device"]
        golden.gradients(gradient, per_device.reshape(gradient.shape) / golden["num_devices"])
    for gradient, name in zip(gradients[2:], scalars, strict=True):
        golden.gradients(gradient, golden[f"{variant}_grad_{name}_per_device"].mean())


def two_view_loss(first, second, temperature):
    """NT-Xent over 2B rows, each looking for its other view among all but itself; what the head gives is given."""
    objective = made(ViewContrast, "view_contrast", temperature=temperature, hidden_width=4, output_width=4)
    objective.head = lambda x: x
    return objective(Given({"strong": jnp.stack([first, second], axis=1)})).loss.mean()


def slip_loss(image, text, scale, first, second, *, weight, temperature):
    pairs_loss = softmax_loss(unit(image), unit(text), scale)
    return pairs_loss + weight * two_view_loss(first, second, temperature)


def slip(golden: Golden) -> None:
    names = ("image_embed", "text_embed", "logit_scale", "aug1_embed", "aug2_embed")
    inputs, temperature = golden.inputs(*names), golden.number("ssl_temperature")
    loss = functools.partial(slip_loss, weight=golden.number("ssl_scale"), temperature=temperature)
    golden.differentiated(loss, inputs, golden["loss"], *(golden[f"grad_{name}"] for name in names))
    golden.losses(softmax_loss(unit(inputs[0]), unit(inputs[1]), inputs[2]), golden["clip_loss"])
    golden.losses(two_view_loss(*inputs[3:], temperature), golden["ssl_loss"])


def slip_dist4(golden: Golden) -> None:
    inputs = golden.inputs("image_embed", "text_embed", "logit_scale", "aug1_embed", "aug2_embed")
    ranks, temperature = golden["world_size"], golden.number("ssl_temperature")
    weight = golden.number("ssl_scale")
    loss = functools.partial(slip_loss, weight=weight, temperature=temperature)
    golden.losses(loss(*inputs), golden["single_process_loss"])
    golden.losses(loss(*inputs), golden["loss_per_rank"].mean())
    golden.losses(two_view_loss(*inputs[3:], temperature), golden["ssl_loss_per_rank"].mean())
    clip = softmax_loss(unit(inputs[0]), unit(inputs[1]), inputs[2])
    golden.losses(clip, golden["clip_loss_per_rank"].mean())
    true = jax.grad(loss, argnums=(2, 3, 4))(*inputs)
    golden.gradients(true[0], golden["grad_logit_scale_per_rank"].mean())
    golden.gradients(true[1], golden["grad_aug1_embed"] / ranks)
    golden.gradients(true[2], golden["grad_aug2_embed"] / ranks)
    one_sided = jax.grad(lambda a, b: one_sided_softmax_loss(unit(a), unit(b), inputs[2]), argnums=(0, 1))
    for gradient, side in zip(one_sided(*inputs[:2]), ("image", "text"), strict=True):
        golden.gradients(gradient, golden[f"grad_{side}_embed"] / ranks)


def unicl_itra(golden: Golden) -> None:
    names = ("image_features_raw", "text_features_raw", "logit_scale")
    (ids,) = golden.inputs("target_ids")
    targets = same_id(ids, ids)
    np.testing.assert_array_equal(targets, golden["targets"])

    def loss(image, text, scale, **settings):
        return contrasted(unit(image), unit(text), scale, ids=ids[:, None], **settings)

    inputs = golden.inputs(*names)
    expected = [golden[f"grad_{name}"] for name in names]
    with_and_without_tiles(golden, loss, inputs, golden["loss"], *expected)
    golden.losses(loss(*inputs, direction=1.0), golden["loss_i2t"])


def infcl_ring(golden: Golden) -> None:
    inputs = golden.inputs("image_features", "text_features", "logit_scale")
    ranks = golden["world_size"]
    ours = value_and_gradients(softmax_loss, inputs, 3)
    image, text = (golden[f"grad_{side}_features_as_returned"] / ranks for side in ("image", "text"))
    scale = golden["grad_logit_scale_per_rank"].mean() / ranks
    golden.agrees(ours, golden["loss_per_rank"].mean(), image, text, scale)
    image, scale = (golden[f"single_process_grad_{name}"] for name in ("image_features", "logit_scale"))
    golden.agrees(ours, golden["single_process_loss"], image, text, scale)


def gradcache(golden: Golden) -> None:
    """Encoded in chunks that are recomputed backwards: parameter gradients as from the whole batch."""
    x, y, *weights = golden.inputs("x", "y", "Wx1", "Wx2", "Wy1", "Wy2")
    names = ("Wx1", "Wx2", "Wy1", "Wy2")

    def encoded(rows, first, second, chunk):
        return micro_batched(lambda part: jnp.tanh(part @ first.T) @ second.T, chunk, rows)

    def embeddings(x1, x2, y1, y2):
        chunks = golden.number("chunk_x"), golden.number("chunk_y")
        return encoded(x, x1, x2, chunks[0]), encoded(y, y1, y2, chunks[1])

    def simple(*weights):
        one, other = embeddings(*weights)
        return softmax(one @ other.T, pairs(len(x))).mean()

    def clip(*weights):
        one, other = embeddings(*weights)
        return softmax_loss(unit(one), unit(other), golden.number("clip_logit_scale"))

    for loss, kind in ((simple, "simple"), (clip, "clip")):
        expected = [golden[f"{kind}_grad_{name}"] for name in names]
        golden.differentiated(loss, weights, golden[f"{kind}_loss_gradcache"], *expected)
        golden.losses(loss(*weights), golden[f"{kind}_loss_direct"])


def align(golden: Golden) -> None:
    names = ("image_features", "text_features", "temperature")
    smoothing, inputs = golden.number("label_smoothing"), golden.inputs(*names)

    def loss(image, text, temperature, **settings):
        return softmax_loss(image, text, 1 / temperature, smoothing=smoothing, **settings)

    expected = [golden[f"grad_{name}_of_sum"] / 2 for name in names]
    with_and_without_tiles(golden, loss, inputs, golden["loss_mean"], *expected)
    golden.losses(2 * loss(*inputs), golden["loss_sum"])
    golden.losses(loss(*inputs, direction=1.0), golden["loss_i2t"])
    golden.losses(loss(*inputs, direction=0.0), golden["loss_t2i"])


def convirt(golden: Golden) -> None:
    inputs, temperature = golden.inputs("image_features", "text_features"), golden.number("temperature")

    def loss(image, text, direction, chunk=0):
        return softmax_loss(image, text, 1 / temperature, direction=direction, chunk=chunk)

    weighted = functools.partial(loss, direction=golden.number("lam"))
    expected = golden["grad_image_features"], golden["grad_text_features"]
    with_and_without_tiles(golden, weighted, inputs, golden["loss"], *expected)
    golden.losses(loss(*inputs, direction=1.0), golden["loss_i2t"])
    golden.losses(loss(*inputs, direction=0.0), golden["loss_t2i"])


def plip_cmpm(golden: Golden) -> None:
    """Both losses of the objective that divides its targets as the code does."""
    labels, classes = jnp.asarray(golden["labels"], jnp.int32), golden["class_weight"].shape[1]
    width, settings = golden["class_weight"].shape[0], {"classes": classes, "classify_weight": 1.0}
    settings |= {"divide": "length", "epsilon": golden.number("epsilon")}
    objective = made(Identities, "identities", width=width, **settings)

    def contrast(images, texts):
        return objective.contrast(images, texts, labels).mean()

    def classified(images, texts, weight):
        return objective.classified(images, texts, labels, weight.T).mean()

    inputs = golden.inputs("image_embeddings", "text_embeddings", "class_weight")
    expected = [golden[f"cmpm_grad_{name}"] for name in ("image", "text")]
    golden.differentiated(contrast, inputs[:2], golden["cmpm_loss"], *expected)
    expected = [golden[f"cmpc_grad_{name}"] for name in ("image", "text", "class_weight")]
    golden.differentiated(classified, inputs, golden["cmpc_loss"], *expected)


def rampp_asl(golden: Golden) -> None:
    logits, alignment = golden.inputs("tag_logits", "alignment_logits")
    targets = jnp.asarray(golden["tag_targets"], golden.dtype)
    # (scores, targets, focus of negatives and of positives, clip, whether focus has a gradient)
    cases = {
        "tag": (logits, targets, 7.0, 0.0, 0.05, False),
        "tag_full_gradient": (logits, targets, 7.0, 0.0, 0.05, True),
        "alignment": (alignment, jnp.eye(len(alignment), dtype=golden.dtype), 4.0, 0.0, 0.05, False),
        "default": (logits, targets, 4.0, 1.0, 0.05, False),
        "bce": (logits, targets, 0.0, 0.0, 0.0, True),
    }
    for name, (scores, wanted, *settings) in cases.items():
        named = zip(("negative_focus", "positive_focus", "clip", "focus_gradient"), settings, strict=True)
        kernel = functools.partial(asymmetric_sigmoid, targets=wanted, **dict(named))
        golden.differentiated(
            lambda scores, kernel=kernel: kernel(scores).total,
            [scores],
            golden[f"{name}_loss"],
            golden[f"{name}_grad"],
        )


CHECKS = {
    "FORMULA_align": align,
    "FORMULA_convirt": convirt,
    "clip_openclip": clip_openclip,
    "clip_openclip_dist4": clip_openclip_dist4,
    "gradcache": gradcache,
    "infcl_ring_w*": infcl_ring,
    "siglip_bigvision": siglip_bigvision,
    "siglip_openclip": siglip_openclip,
    "siglip_openclip_dist4": siglip_openclip_dist4,
    "plip_cmpm": plip_cmpm,
    "rampp_asl": rampp_asl,
    "slip": slip,
    "slip_dist4": slip_dist4,
    "unicl_itra": unicl_itra,
}
