"""Losses of image-text pairs: softmax and sigmoid, on one device and as what each of several ranks gets."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from golden_vectors import Golden, unit, value_and_gradients

from vlp.kernels.directions import both_directions
from vlp.kernels.distillation import soft_targets
from vlp.kernels.sigmoid import sigmoid
from vlp.kernels.softmax import softmax
from vlp.objectives.targets import not_self, other_view, same_id


def pairs(rows: int) -> jax.Array:
    return same_id(jnp.arange(rows), jnp.arange(rows))


def softmax_loss(image, text, scale, bias=0.0, smoothing=0.0, direction=0.5):
    kernel = functools.partial(softmax, label_smoothing=smoothing)
    scores = scale * image @ text.T + bias
    return both_directions(kernel, scores, pairs(len(image)), direction=direction).mean()


def one_sided_softmax_loss(image, text, scale):
    """The gathered side of each direction is a constant: what ranks optimise that gather without a gradient."""
    constant = jax.lax.stop_gradient
    forth = softmax(scale * image @ constant(text).T, pairs(len(image))).mean()
    back = softmax(scale * text @ constant(image).T, pairs(len(image))).mean()
    return (forth + back) / 2


def sigmoid_loss(image, text, scale, bias):
    return sigmoid(scale * image @ text.T + bias, pairs(len(image))).mean()


def clip_openclip(golden: Golden) -> None:
    inputs = golden.inputs("image_features", "text_features", "logit_scale", "logit_bias")
    names = ("image_features", "text_features", "logit_scale")
    golden.differentiated(softmax_loss, inputs[:3], golden["loss"], *(golden[f"grad_{n}"] for n in names))
    golden.losses(softmax_loss(*inputs), golden["loss_with_bias"])
    gradients = jax.grad(softmax_loss, argnums=(0, 3))(*inputs)
    golden.gradients(gradients[0], golden["grad_image_features_with_bias"])
    golden.gradients(gradients[1], golden["grad_logit_bias"], scale=1.0)
    teacher = golden.inputs("teacher_image_features", "teacher_text_features", "teacher_logit_scale")

    def distilled(image, text, scale):
        student, teachers = scale * image @ text.T, teacher[2] * teacher[0] @ teacher[1].T
        forth = softmax(student, soft_targets(teachers)).mean()
        return (forth + softmax(student.T, soft_targets(teachers.T)).mean()) / 2

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
    golden.differentiated(sigmoid_loss, inputs, golden["loss"], *(golden[f"grad_{name}"] for name in names))

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
    """NT-Xent over 2B rows, each looking for its other view among all but itself."""
    rows = unit(jnp.concatenate([first, second]))
    targets, mask = other_view(len(first)), not_self(len(rows))
    return softmax(rows @ rows.T / temperature, targets, mask=mask).mean()


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

    def loss(image, text, scale, direction=0.5):
        scores = scale * unit(image) @ unit(text).T
        return both_directions(softmax, scores, targets, direction=direction).mean()

    inputs = golden.inputs(*names)
    golden.differentiated(loss, inputs, golden["loss"], *(golden[f"grad_{name}"] for name in names))
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
        @jax.checkpoint
        def encode(part):
            return jnp.tanh(part @ first.T) @ second.T

        return jax.lax.map(encode, rows.reshape(-1, chunk, rows.shape[1])).reshape(len(rows), -1)

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

    def loss(image, text, temperature, direction=0.5):
        return softmax_loss(image, text, 1 / temperature, smoothing=smoothing, direction=direction)

    expected = [golden[f"grad_{name}_of_sum"] / 2 for name in names]
    golden.differentiated(loss, inputs, golden["loss_mean"], *expected)
    golden.losses(2 * loss(*inputs), golden["loss_sum"])
    golden.losses(loss(*inputs, direction=1.0), golden["loss_i2t"])
    golden.losses(loss(*inputs, direction=0.0), golden["loss_t2i"])


def convirt(golden: Golden) -> None:
    inputs, temperature = golden.inputs("image_features", "text_features"), golden.number("temperature")

    def loss(image, text, direction):
        return softmax_loss(image, text, 1 / temperature, direction=direction)

    weighted = functools.partial(loss, direction=golden.number("lam"))
    expected = golden["grad_image_features"], golden["grad_text_features"]
    golden.differentiated(weighted, inputs, golden["loss"], *expected)
    golden.losses(loss(*inputs, direction=1.0), golden["loss_i2t"])
    golden.losses(loss(*inputs, direction=0.0), golden["loss_t2i"])


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
    "slip": slip,
    "slip_dist4": slip_dist4,
    "unicl_itra": unicl_itra,
}
