"""An objective of somebody else's package that uses all that stands beside a batch, and has a part."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from vlp.kernels.loss import Loss
from vlp.objectives.base import Objective, ObjectiveOutput


class Decoder(nnx.Module):
    """Scores of images against texts that are not cosines."""

    def __init__(self, dim, rngs):
        self.linear = nnx.Linear(dim, dim, rngs=rngs)

    def __call__(self, rows):
        return self.linear(rows)

    def score(self, encodings, texts):
        return self(encodings.image()) @ encodings.texts(texts).T


class Guided(Objective):
    """Scores of images against class names, through a part, should be those of a frozen model."""

    parts = ("decoder",)

    def __init__(self, config, *, model, rngs, context):
        del config
        self.fields, self.constants = ("image", "teacher/image"), ("classes", "teacher/classes")
        self.decoder = Decoder(model.embed_dim, rngs)
        self.bias = nnx.Param(jnp.zeros(context.texts["classes"].labels))
        self.teacher_width = context.frozen["teacher"].embed_dim

    def __call__(self, encodings):
        teacher = encodings.frozen("teacher")
        targets = jax.nn.softmax(10.0 * teacher.image() @ teacher.label_texts("classes").T)
        scores = self.decoder(encodings.image()) @ encodings.label_texts("classes").T + self.bias[...]
        loss = -(targets * jax.nn.log_softmax(scores)).sum(axis=1)
        width = jnp.float32(self.teacher_width)
        return ObjectiveOutput(Loss(loss.sum(), jnp.float32(len(loss))), {"teacher_width": width})


class Imitation(Objective):
    """Images should lie where a frozen model, which may have no other tower, has them."""

    fields = ("image", "teacher/image")

    def __init__(self, config, *, model, rngs):
        del config, model, rngs

    def __call__(self, encodings):
        cosines = (encodings.image() * encodings.frozen("teacher").image()).sum(axis=1)
        return ObjectiveOutput(Loss(-cosines.sum(), jnp.float32(len(cosines))), {})


class Reading(Objective):
    """Texts should lie where a frozen model, which may have no other tower, has them."""

    fields = ("text", "text_mask", "teacher/text", "teacher/text_mask")

    def __init__(self, config, *, model, rngs):
        del config, model, rngs

    def __call__(self, encodings):
        rows, teacher = encodings.text(), encodings.frozen("teacher").text()
        cosines = (rows[:, :16] * teacher[:, :16]).sum(axis=1)
        return ObjectiveOutput(Loss(-cosines.sum(), jnp.float32(len(cosines))), {})
