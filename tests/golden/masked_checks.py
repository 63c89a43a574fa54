"""Masked content and image-only learning: DINOv2's three losses and its head, and pixels of hidden patches."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from given import Given, Same, made
from golden_vectors import Golden, value_and_gradients

from vlp.kernels.distillation import cross_view_softmax, moving_centre, soft_targets
from vlp.kernels.koleo import koleo
from vlp.kernels.patches import mean_of_views, normalised_patches, patch_fit
from vlp.kernels.regression import squared_error
from vlp.kernels.sinkhorn import sinkhorn_centre, sinkhorn_centre_of
from vlp.models.compute import Compute
from vlp.models.distillation_head import DistillationHead
from vlp.models.vision import patchify
from vlp.objectives.masked_distillation import Hidden, MaskedDistillation
from vlp.objectives.masked_pixels import MaskedPixels
from vlp.objectives.self_distillation import SelfDistillation


def dino(golden: Golden) -> None:
    teacher, whole, parts, centre = golden.inputs(
        "teacher_global", "student_global", "student_local", "center_before"
    )
    columns, temperature = teacher.shape[1], golden.number("teacher_temp")
    images = len(teacher) // 2
    for way, centring in (("center", "mean"), ("sinkhorn", "sinkhorn")):
        taken = centre[0] if way == "center" else sinkhorn_centre(teacher, temperature=temperature)
        targets = soft_targets(teacher.reshape(2, images, columns), temperature=temperature, centre=taken)
        golden.gradients(targets[::-1], golden[f"{way}_targets"])  # theirs are swapped

        def loss(whole, parts, targets):
            scores = jnp.concatenate([whole, parts]).reshape(-1, images, columns)
            return cross_view_softmax(scores / golden.number("student_temp"), targets).mean()

        def objective_loss(whole, parts, centring):
            views = {
                "global_crops": whole.reshape(2, images, columns).swapaxes(0, 1),
                "local_crops": parts.reshape(-1, images, columns).swapaxes(0, 1),
                "teacher/global_crops": teacher.reshape(2, images, columns).swapaxes(0, 1),
            }
            objective = _given_heads(
                golden, SelfDistillation, "self_distillation", columns, centring=centring
            )
            objective.centre[...] = centre[0]
            loss = objective(Given(views)).loss.mean()
            golden.gradients(objective.centre[...], golden["center_after"][0])
            return loss

        names = [f"{way}_{name}" for name in ("loss", "grad_student_global", "grad_student_local")]
        expected = [golden[name] for name in names]
        golden.differentiated(loss, [whole, parts, targets], *expected)
        if golden.dtype == jnp.float32:  # the schedules of an objective are float32
            golden.agrees(_differentiated(objective_loss, whole, parts, centring), *expected)
    golden.gradients(
        moving_centre(centre[0], teacher, golden.number("center_momentum")), golden["center_after"][0]
    )


def ibot(golden: Golden) -> None:
    student, teacher, where, centre = golden.inputs(
        "student_patches", "teacher_patches", "mask", "center_before"
    )
    columns = student.shape[2]
    for way, centring in (("center", "mean"), ("sinkhorn", "sinkhorn")):
        expected = golden[f"{way}_loss"], golden[f"{way}_grad_student_patches"]
        taken = centre[0, 0] if way == "center" else _assigned(golden, teacher, where)
        targets = _targets(golden, teacher, taken)
        golden.gradients(targets[where], golden[f"{way}_targets"])
        golden.differentiated(_patch_loss, [student, golden, teacher, where, taken], *expected)

        def objective_loss(student, centring):
            objective = _given_heads(
                golden, MaskedDistillation, "masked_distillation", columns,
                centring=centring, crop_weight=0.0, koleo_weight=0.0, highest_share=1.0,
            )  # fmt: skip
            objective.patch_centre[...] = centre[0, 0]
            pairs = [x.reshape(-1, 2, *x.shape[1:]) for x in (student, teacher, where)]
            chosen = jnp.broadcast_to(jnp.arange(2), pairs[0].shape[:2])
            objective.hidden = lambda encodings: Hidden(chosen, pairs[2])
            loss = objective(Given(_crops(pairs[0], pairs[1]), global_crops=pairs[2])).loss.mean()
            golden.gradients(objective.patch_centre[...], golden["center_after"][0, 0])
            return loss

        if golden.dtype == jnp.float32:
            golden.agrees(_differentiated(objective_loss, student, centring), *expected)


def two_processes(golden: Golden) -> None:
    """What two processes with half of the images each find; a batch of ours is always the whole one."""
    student, teacher, centre = golden.inputs("student_global", "teacher_global", "center_before")
    columns, images = student.shape[1], golden.number("local_images")
    student, views = student.reshape(2, -1, columns), teacher.reshape(2, -1, columns)
    taken = sinkhorn_centre(teacher, temperature=golden.number("teacher_temp"))
    targets = soft_targets(views, temperature=golden.number("teacher_temp"), centre=taken)
    for rank in range(golden.number("world_size")):
        rows = slice(rank * images, (rank + 1) * images)

        def loss(student, targets):
            return cross_view_softmax(student / golden.number("student_temp"), targets).mean()

        value, gradient = value_and_gradients(loss, [student[:, rows], targets[:, rows]], 1)
        golden.losses(value, golden["loss_per_rank"][rank])
        golden.gradients(gradient[0].reshape(-1, columns), golden["grad_student_per_rank"][rank])
    golden.gradients(
        moving_centre(centre[0], teacher, golden.number("center_momentum")), golden["center_after"][0]
    )
    student, teacher, where = golden.inputs("ibot_student", "ibot_teacher", "ibot_mask")
    taken = _assigned(golden, teacher.reshape(-1, *teacher.shape[2:]), where.reshape(-1, where.shape[2]))
    golden.gradients(_targets(golden, teacher, taken)[where], golden["ibot_targets_sinkhorn"])
    for rank, expected in enumerate(golden["ibot_loss_per_rank"]):
        inputs = [student[rank], golden, teacher[rank], where[rank], taken]
        golden.differentiated(_patch_loss, inputs, expected, golden["ibot_grad_student_per_rank"][rank])


def head(golden: Golden) -> None:
    (x,) = golden.inputs("x")
    if golden.dtype != jnp.float32:
        return  # what a head computes is of the dtype of products
    widths = [x.shape[1], *(golden[f"bias{number}"].size for number in range(3))]
    columns = golden["last_kernel"].shape[1]
    made_head = DistillationHead(widths, columns, compute=Compute(), rngs=nnx.Rngs(0))
    for number, layer in enumerate(made_head.mlp.layers):
        layer.kernel[...], layer.bias[...] = golden.inputs(f"kernel{number}", f"bias{number}")
    made_head.prototypes[...] = golden.inputs("last_kernel")[0].T
    golden.gradients(made_head(x), golden["output"])
    (cotangent,) = golden.inputs("cotangent")
    gradient = jax.jit(jax.grad(lambda x: (cotangent * made_head(x)).sum()))(x)
    golden.gradients(gradient, golden["grad_x"])


def koleo_of_views(golden: Golden) -> None:
    (rows,) = golden.inputs("student_cls")
    views, columns = golden.number("n_views"), rows.shape[1]
    expected = golden["weighted_loss"], golden["grad_student_cls"]

    def loss(rows):
        return (
            golden.number("weight") * jnp.stack([koleo(view).mean() for view in jnp.split(rows, views)]).sum()
        )

    golden.differentiated(loss, [rows], *expected)

    def objective_loss(rows):
        objective = _given_heads(
            golden, MaskedDistillation, "masked_distillation", columns,
            koleo_weight=golden.number("weight"), crop_weight=0.0, patch_weight=0.0,
        )  # fmt: skip
        crops = rows.reshape(views, -1, columns).swapaxes(0, 1)
        tokens = jnp.zeros((*crops.shape[:2], 4, columns))
        where = jnp.zeros(tokens.shape[:3], bool)
        objective.hidden = lambda encodings: Hidden(jnp.broadcast_to(jnp.arange(2), crops.shape[:2]), where)
        given = _crops(tokens, tokens) | {"global_crops": crops}
        return objective(Given(given, global_crops=where)).loss.mean()

    if golden.dtype == jnp.float32:
        golden.agrees(_differentiated(objective_loss, rows), *expected)


def koleo_of_processes(golden: Golden) -> None:
    """Gram anchoring, which the same file has, has no counterpart here."""
    (rows,) = golden.inputs("koleo_input")
    ranks, size, columns = rows.shape
    for name, settings in (
        ("global_top1", {}),
        ("global_top2", {"nearest": 2}),
        ("group_local", {"group": size}),
    ):

        def loss(rows, settings=settings):
            return ranks * koleo(rows, **settings).mean()

        value, (gradient,) = value_and_gradients(loss, [rows.reshape(-1, columns)], 1)
        golden.losses(value, golden[f"koleo_{name}_loss_per_rank"].sum())
        golden.gradients(gradient.reshape(rows.shape), golden[f"koleo_{name}_grad_as_returned"])


def pixels(golden: Golden) -> None:
    images, prediction, where = golden.inputs("images", "prediction", "mask")
    images, size = images.transpose(0, 2, 3, 1), golden.number("patch_size")
    golden.gradients(patchify(images, size), golden["patches"])
    for name, normalise, everywhere in (
        ("norm", True, False),
        ("raw", False, False),
        ("norm_all", True, True),
    ):
        expected = golden[f"{name}_loss"], golden[f"{name}_grad_prediction"]
        hidden = jnp.ones_like(where) if everywhere else where

        def loss(prediction, normalise, hidden):
            targets = patchify(images, size)
            targets = normalised_patches(targets) if normalise else targets
            rows = (x.reshape(-1, x.shape[-1]) for x in (prediction, targets))
            return squared_error(*rows, mask=hidden.reshape(-1)).mean()

        def objective_loss(prediction, normalise, hidden):
            objective = made(MaskedPixels, "masked_pixels", normalise=normalise)
            objective.head, objective.patch_size = Same(), size
            objective.hidden = lambda encodings, shape: hidden
            return objective(Given({"image": images, "image/tokens": prediction})).loss.mean()

        golden.differentiated(loss, [prediction, normalise, hidden], *expected)
        golden.agrees(_differentiated(objective_loss, prediction, normalise, hidden), *expected)


def _given_heads(golden, kind, name, columns, **settings):
    """An objective whose heads give what they get and whose teacher has already followed."""
    if "teacher_temp" in golden.arrays:
        temperature = golden.number("teacher_temp")
        settings |= {"teacher_temperature": temperature, "first_temperature": temperature}
        settings |= {"temperature": golden.number("student_temp")}
        settings |= {"centre_momentum": golden.number("center_momentum")}
    objective = made(kind, name, hidden_width=4, bottleneck_width=4, prototypes=columns, **settings)
    objective.head, objective.teacher_head = Same(columns), Same(columns)
    objective.teacher_tower = nnx.Dict()
    return objective


def _crops(student, teacher):
    """Recorded patches, and crops that do not matter."""
    pooled = jnp.ones((*student.shape[:2], student.shape[3]))
    return {
        "global_crops": pooled,
        "local_crops": pooled,
        "teacher/global_crops": pooled,
        "global_crops/tokens": student,
        "teacher/global_crops/tokens": teacher,
    }


def _differentiated(loss, *inputs):
    """Eagerly, as what an objective remembers is looked at in between."""
    arrays = [x for x in inputs if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jnp.floating)]
    rest = inputs[len(arrays) :]
    seen = jax.value_and_grad(lambda *arrays: loss(*arrays, *rest), argnums=tuple(range(len(arrays))))
    return seen(*arrays)


def _assigned(golden, teacher, where):
    temperature = golden.number("teacher_temp")
    places = teacher.swapaxes(0, 1)
    return sinkhorn_centre_of(lambda rows: rows, places, where.T, temperature=temperature)


def _targets(golden, teacher, centre):
    return soft_targets(teacher, temperature=golden.number("teacher_temp"), centre=centre)


def _patch_loss(student, golden, teacher, where, centre):
    places = student.swapaxes(0, 1), teacher.swapaxes(0, 1)
    fit = patch_fit(
        lambda rows: rows / golden.number("student_temp"), lambda rows: _targets(golden, rows, centre), places
    )
    return mean_of_views(fit.losses, where, len(where)).mean()


CHECKS = {
    "dinov2_dino": dino,
    "dinov2_ibot": ibot,
    "dinov2_dist2": two_processes,
    "dinov2_head": head,
    "dinov2_koleo": koleo_of_views,
    "dinov3_gram_koleo": koleo_of_processes,
    "croco_mse": pixels,
}
