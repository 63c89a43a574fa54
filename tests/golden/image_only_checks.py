"""Images alone: SiT's two losses, and the view and region losses that CMD builds on."""

from __future__ import annotations

from unittest import mock

import jax
import jax.numpy as jnp
from flax import nnx
from given import Same, made
from golden_vectors import Golden

from vlp.kernels.distillation import cross_view_softmax, soft_targets
from vlp.kernels.regression import absolute_error
from vlp.kernels.softmax import softmax
from vlp.kernels.unit import unit
from vlp.models.vision import TowerOutput
from vlp.objectives import cross_level
from vlp.objectives.base import Remembered
from vlp.objectives.corruption import Corruption
from vlp.objectives.cross_level import CrossLevel, most_alike


class First(Same):
    """A head that gives the first numbers of what it gets."""

    def rows(self, x, **_):
        return x[..., : self.count]


def sit(golden: Golden) -> None:
    student, teacher, pixels, clean, where = golden.inputs(
        "student_embedding", "teacher_embedding", "reconstruction", "clean", "corrupted"
    )
    temperature, images = golden.number("temperature"), len(student) // 2

    def loss(student, pixels):
        rows, columns = (unit(x).reshape(2, images, -1) for x in (student, teacher))
        scores = [rows[view] @ columns[1 - view].T / temperature for view in (0, 1)]
        contrast = 2 * temperature * sum(softmax(one, jnp.eye(images)).mean() for one in scores)
        flat = pixels.reshape(-1, 1), clean.reshape(-1, 1)
        return contrast + golden.number("weight") * absolute_error(*flat, mask=where.reshape(-1)).mean()

    expected = golden["loss"], golden["grad_student_embedding"], golden["grad_reconstruction"]
    golden.differentiated(loss, [student, pixels], *expected)
    if golden.dtype == jnp.float32:
        objective = made(Corruption, "corruption", temperature=temperature)
        rows, columns = (unit(x).reshape(2, images, -1).swapaxes(0, 1) for x in (student, teacher))
        golden.losses(objective._contrast(rows, columns)[0], golden["contrastive_loss"])


def cmd(golden: Golden) -> None:
    names = ("student_cls", "student_region", "student_region_feature")
    taught = ("teacher_cls", "teacher_region", "teacher_region_feature")
    whole, regions, features, t_whole, t_regions, t_features = golden.inputs(*names, *taught)
    centre, region_centre = golden.inputs("center_before", "region_center_before")
    crops, large, small = (golden.number(name) for name in ("n_crops", "regions_global", "regions_local"))
    images, columns = len(t_whole) // 2, whole.shape[1]
    settings = {"temperature": golden.number("student_temp"), "centre_momentum": 0.9}
    sharp = golden.number("teacher_temp")
    settings |= {"teacher_temperature": sharp, "first_temperature": sharp, "prototypes": columns}
    objective = made(CrossLevel, "cross_level", hidden_width=4, bottleneck_width=4, **settings)
    objective.region_centre = Remembered(region_centre[0])
    objective.sharpness = lambda step: jnp.asarray(sharp, golden.dtype)
    # A patch is its scores and its features side by side; the heads take one, and what is compared the other.
    objective.region_head, objective.teacher_region_head = First(columns), First(columns)

    def cut(both, count, size):
        return both.reshape(count, images, size, -1).swapaxes(0, 1)

    def seen(regions):
        both = jnp.concatenate([regions, features], axis=1)
        parts = both[: 2 * images * large], both[2 * images * large :]
        return [
            TowerOutput(jnp.zeros(()), cut(parts[0], 2, large)),
            TowerOutput(jnp.zeros(()), cut(parts[1], crops - 2, small)),
        ]

    teacher = TowerOutput(jnp.zeros(()), cut(jnp.concatenate([t_regions, t_features], axis=1), 2, large))
    targets = soft_targets(t_whole.reshape(2, images, -1), temperature=sharp, centre=centre[0])

    graphdef, state = nnx.split(objective)

    def loss(whole, regions):
        own = nnx.merge(graphdef, state, copy=True)
        views = cross_view_softmax(whole.reshape(crops, images, -1) / settings["temperature"], targets)
        parts = own.between_regions(seen(regions), teacher, jnp.int32(0))
        return 0.5 * views.mean() + 0.5 * parts, own.region_centre[...]

    with mock.patch.object(
        cross_level, "most_alike", lambda one, other: most_alike(*(x[..., columns:] for x in (one, other)))
    ):
        step = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)
        (value, moved), gradients = step(whole, regions)
    golden.losses(value, golden["view_region_loss"])
    golden.gradients(gradients[0], golden["view_region_grad_student_cls"])
    golden.gradients(gradients[1], golden["view_region_grad_student_region"])
    golden.gradients(moved, golden["region_center_after"][0])
    bag = objective.bag(seen(regions)[0].tokens, 0)
    golden.gradients(bag.sum(axis=-1), jnp.ones(bag.shape[:-1]))


CHECKS = {"sit": sit, "cmd_ddino": cmd}
