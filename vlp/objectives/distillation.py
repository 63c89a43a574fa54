"""Distillation: a student's scores of images against texts, its embeddings and its gradients should be a teacher's."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vlp.encodings import Encodings
from vlp.given import Context
from vlp.kernels.distillation import DIVERGENCES, contrast_gradients
from vlp.kernels.loss import Loss
from vlp.kernels.regression import squared_error
from vlp.kernels.unit import unit
from vlp.models.dual_encoder import DualEncoder
from vlp.models.linear import linear
from vlp.models.micro_batch import micro_batched
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.rows import own_columns
from vlp.objectives.scorers import one_by_one
from vlp.objectives.teachers import Taught, Teachers

TERMS = ("affinity", "interactive", "cross_affinity", "feature", "gradient", "fusion")
_PROJECTED = {"interactive", "cross_affinity", "feature", "gradient"}


class Distillation(Objective):
    """A student learns what a batch looks like to a teacher, in up to six ways that are added up by weight.

    CLIP-KD (arXiv 2307.12732, section 3): `affinity` (its contrastive relational distillation), `feature`,
    `interactive`, `gradient` and `fusion` (augmented feature distillation); `cross_affinity` is of the public code.
    open_clip's DistillClipLoss: `affinity` alone, with `divergence="cross_entropy"`. MobileCLIP (2311.17049, equation
    2): the same with several teachers, whose probabilities are averaged, stored ones as a rule; of several texts an
    example the mean. MobileCLIP2's sigmoid form: `divergence="sigmoid"`. With a `chunk` no term has a whole score
    matrix.
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs, context: Context):
        """Builds what brings the student's rows into the teacher's space, where a term with a weight needs it.

        Args:
          config: `objectives.distillation`.
          model: for the width of its embeddings.
          rngs: of initial values.
          context: for the widths of teachers.
        """
        self.teachers = Teachers.of(config, context)
        self.terms = tuple((name, config[name]) for name in TERMS if config[name])
        self.divergence, self.chunk = config.divergence, config.chunk
        self.released_gradient = config.gradient_temperature == "released"
        self.image_view, self.text_view = config.image_view, config.text_view
        self.fields = (self.image_view, self.text_view, f"{self.text_view}_mask", *self.teachers.fields)
        self.raw = self.teachers.stored
        own, width, on = model.embed_dim, self.teachers.widths[0], {name for name, _ in self.terms}

        def layer(wanted: bool, inputs: int, outputs: int) -> Any:
            std = inputs**-0.5
            return linear(inputs, outputs, std=std, compute=model.compute, rngs=rngs) if wanted else None

        projected = bool(on & _PROJECTED) and own != width
        self.image_projection, self.text_projection = (layer(projected, own, width) for _ in range(2))
        self.image_fusion, self.text_fusion = (layer("fusion" in on, own + width, own) for _ in range(2))
        crossed = bool(on & {"interactive", "cross_affinity"})
        first = jnp.float32(config.cross_scale)
        self.cross_scale: Any = nnx.Param(first) if crossed else None
        self.fusion_scale: Any = nnx.Param(first) if "fusion" in on else None

    def flops(self) -> float:
        """Counts the layers of its own."""
        layers = (self.image_projection, self.text_projection, self.image_fusion, self.text_fusion)
        return sum(2.0 * layer.kernel.size for layer in layers if layer is not None)

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the weighted sum of its terms, each a mean over the batch, and every term by itself."""
        taught = self.teachers(encodings)
        student = Taught(
            encodings.image(self.image_view),
            encodings.text(self.text_view),
            encodings.logit_scale(),
            encodings.logit_bias(),
        )
        raw = encodings.image_features(self.image_view), encodings.text_features(self.text_view)
        moved = student._replace(
            images=_projected(self.image_projection, raw[0]), texts=_projected(self.text_projection, raw[1])
        )
        pairs = list(zip(_pairs(student), _pairs(moved), zip(*map(_pairs, taught), strict=True), strict=True))
        values = {
            name: _sum(self._term(name, one, other, list(taught)) for one, other, taught in pairs)
            / len(pairs)
            for name, _ in self.terms
        }
        mean = _sum(weight * values[name] for name, weight in self.terms)
        rows = jnp.asarray(len(student.images), jnp.float32)
        return ObjectiveOutput(Loss(mean * rows, rows), values)

    def _term(self, name: str, student: Taught, moved: Taught, taught: list[Taught]) -> Float[Array, ""]:
        if name == "affinity":
            return self._affinities((student.images, student.texts), student, taught)
        (teacher,) = taught
        return {
            "cross_affinity": self._cross_affinity,
            "interactive": self._interactive,
            "feature": self._feature,
            "gradient": self._gradient,
            "fusion": self._fusion,
        }[name](moved if name in _PROJECTED else student, teacher)

    def _cross_affinity(self, moved: Taught, teacher: Taught) -> Float[Array, ""]:
        crossed = moved._replace(scale=self.cross_scale[...], bias=jnp.float32(0.0))
        forth = self._affinity(moved.images, teacher.texts, crossed, [teacher], lambda one: one)
        return (forth + self._affinity(moved.texts, teacher.images, crossed, [teacher], _turned)) / 2

    def _interactive(self, moved: Taught, teacher: Taught) -> Float[Array, ""]:
        scale = self.cross_scale[...]
        forth = self._paired(moved.images, teacher.texts, scale)
        return (forth + self._paired(moved.texts, teacher.images, scale)) / 2

    def _feature(self, moved: Taught, teacher: Taught) -> Float[Array, ""]:
        sides = ((moved.images, teacher.images), (moved.texts, teacher.texts))
        return _sum(squared_error(*side).mean() for side in sides)

    def _gradient(self, moved: Taught, teacher: Taught) -> Float[Array, ""]:
        own, wanted = (self._gradients(one) for one in (moved, teacher))
        return _sum(squared_error(one, other).mean() for one, other in zip(own, wanted, strict=True))

    def _fusion(self, student: Taught, teacher: Taught) -> Float[Array, ""]:
        images = self.image_fusion(jnp.concatenate([student.images, teacher.images], axis=1))
        texts = self.text_fusion(jnp.concatenate([student.texts, teacher.texts], axis=1))
        images, texts, scale = unit(images), unit(texts), self.fusion_scale[...]
        return (self._paired(images, texts, scale) + self._paired(texts, images, scale)) / 2

    def _affinities(
        self, sides: tuple[Array, Array], student: Taught, taught: list[Taught]
    ) -> Float[Array, ""]:
        images, texts = sides
        forth = self._affinity(images, texts, student, taught, lambda one: one)
        if self.divergence == "sigmoid":  # a cell is asked once, whichever way the matrix is read
            return forth
        return (forth + self._affinity(texts, images, student, taught, _turned)) / 2

    def _affinity(
        self,
        rows: Float[Array, "batch dim"],
        columns: Float[Array, "batch dim"],
        scored: Taught,
        taught: list[Taught],
        turn: Callable[[Taught], Taught],
    ) -> Float[Array, ""]:
        """How far the rows' scores are from the teachers' in the mean; a chunk of them exists at a time."""
        taught = [turn(one) for one in taught]
        diverge, probabilities = DIVERGENCES[self.divergence]

        def losses(rows: Array, *own: Array) -> Float[Array, " rows"]:
            pairs = zip(own, taught, strict=True)
            seen = [probabilities(one.scale * x @ one.texts.T + one.bias) for x, one in pairs]
            return diverge(scored.scale * rows @ columns.T + scored.bias, jnp.stack(seen).mean(axis=0))

        return self._by_parts(losses, rows, *(one.images for one in taught)).mean()

    def _paired(
        self, rows: Float[Array, "batch dim"], columns: Float[Array, "batch dim"], scale: Float[Array, ""]
    ) -> Float[Array, ""]:
        return own_columns(rows, columns, scale, chunk=self.chunk)[0].mean()

    def _gradients(self, one: Taught) -> list[Float[Array, "batch dim"]]:
        temperature = one.scale if self.released_gradient else 1.0 / one.scale
        return [
            gradient
            for side in ((one.images, one.texts), (one.texts, one.images))
            for gradient in contrast_gradients(*side, temperature, by_parts=self._by_parts)
        ]

    def _by_parts(self, function: Callable[..., Any], *arrays: Array) -> Any:
        """Runs a function of rows on a chunk of them at a time."""
        return micro_batched(function, self.chunk, *arrays)


def _sum(terms: Iterable[Float[Array, ""]]) -> Float[Array, ""]:
    return jnp.stack(list(terms)).sum()


def _pairs(one: Taught) -> list[Taught]:
    """Each view of the images with each of the texts."""
    sides = itertools.product(one_by_one(one.images), one_by_one(one.texts))
    return [one._replace(images=images, texts=texts) for images, texts in sides]


def _turned(one: Taught) -> Taught:
    return one._replace(images=one.texts, texts=one.images)


def _projected(layer: Any, rows: Float[Array, "*batch dim"]) -> Float[Array, "*batch width"]:
    return unit(rows if layer is None else layer(rows))
