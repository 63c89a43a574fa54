"""Contrast of images and texts within the batch: CLIP and most of what followed it, by settings alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from input_pipeline.errors import UserError
from vlp.encodings import Encodings
from vlp.kernels import REGRESSIONS
from vlp.kernels.directions import mix
from vlp.models.dual_encoder import DualEncoder
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.kernels import configured_kernel
from vlp.objectives.rows import watch
from vlp.objectives.scorers import Scores, one_by_one
from vlp.objectives.targets import TARGETS, same_id
from vlp.parallel.contrastive import Contrast, chunked_sigmoid, chunked_softmax

# Both take what a `Scores` holds; a bias shifts no softmax.
CHUNKED: dict[str, Callable[..., Contrast]] = {
    "softmax": lambda rows, columns, scale, bias, **options: chunked_softmax(rows, columns, scale, **options),
    "sigmoid": chunked_sigmoid,
}


class Contrastive(Objective):
    """Cosine scores of image rows against text columns, read in both directions.

    CLIP (arXiv 2103.00020, section 2.3): softmax kernel, pairs match. ALIGN (2102.05918): with label smoothing 0.1.
    ConVIRT (2010.00747, equation 4): direction 0.75. UniCL (2204.03610): equal labels match, or equal texts where there
    is none. SigLIP (2303.15343): sigmoid kernel and a bias. DreamLIP (2403.17007): a text view with several captions,
    each contrasted by itself, and the mean of their losses; so are several image views. TIPS (2410.16512): a second
    entry, of another `token` of the image and other captions. A kernel of `REGRESSIONS` takes pairs alone, each side
    once for a constant (BYOL, 2006.07733, without its predictor and teacher).
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Takes its settings.

        Args:
          config: `objectives.contrastive`: `kernel` and `targets` (names), what `configured_kernel` reads, `direction`
            (share of image-to-text in the loss), the fields `image_view` and `text_view`, `token` and `chunk`.
          model: asked for the tokens beside its patches.
          rngs: unused: it learns nothing of its own, but a temperature.

        Raises:
          ValueError: the image tower has no such token.
        """
        del rngs
        if config.token:
            check_token(model.image, config.token)
        # A second scale: AdaptCLIPZS (arXiv 2401.02460) divides CLIP's scores by it, in training alone.
        self.temperature = nnx.Param(jnp.float32(config.temperature)) if config.temperature else None
        self.kernel, self.chunk, self.direction = config.kernel, config.chunk, config.direction
        self.smoothing = {"label_smoothing": config.label_smoothing} if config.label_smoothing else {}
        self.loss = REGRESSIONS.get(config.kernel) or configured_kernel(config)
        self.image_view, self.text_view = config.image_view, config.text_view
        self.token = config.token
        self.field = TARGETS[config.targets]
        texts = (self.text_view, f"{self.text_view}_mask")
        self.fields = (self.image_view, *texts, *([self.field] if self.field else []))

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the weighted mean of the image-to-text and the text-to-image loss."""
        view, texts = self.image_view, encodings.text(self.text_view)
        images = encodings.image_token(view, self.token) if self.token else encodings.image(view)
        ids = encodings.batch[self.field] if self.field else None
        scale, bias = encodings.logit_scale(), encodings.logit_bias()
        shown = {"logit_scale": scale}
        if self.temperature is not None:
            shown["temperature"] = self.temperature[...]
            scale = scale / self.temperature[...]
        pairs = itertools.product(one_by_one(images), one_by_one(texts))
        contrasts = [self._contrast(Scores(image, text, scale, bias), ids) for image, text in pairs]
        mean: Contrast = jax.tree.map(lambda *parts: sum(parts) / len(parts), *contrasts)
        loss = mix(mean.rows, mean.columns, self.direction)
        if self.kernel == "sigmoid":
            shown["logit_bias"] = bias
        return ObjectiveOutput(loss, {**shown, **mean.metrics})

    def _contrast(self, scores: Scores, ids: Int[Array, "batch words"] | None) -> Contrast:
        if self.chunk:
            both = None if ids is None else (ids, ids)
            return CHUNKED[self.kernel](*scores, chunk=self.chunk, ids=both, **self.smoothing)
        ids = jnp.arange(len(scores.rows)) if ids is None else ids
        targets = same_id(ids, ids)
        metrics = match_metrics(scores, targets)
        if self.kernel in REGRESSIONS:
            rows, columns = scores.rows, scores.columns
            return Contrast(self.loss(rows, columns), self.loss(columns, rows), metrics)
        logits = scores.logits()
        return Contrast(self.loss(logits, targets), self.loss(logits.T, targets.T), metrics)


def check_token(tower: Any, token: int) -> None:
    """Refuses a token that the image tower does not give out, or that its projection cannot read.

    Args:
      tower: the image tower; None where there is none.
      token: by its number, from 1; 0 is the whole image, which every tower has.

    Raises:
      ValueError: how many there are.
    """
    alike = getattr(tower, "width", 0) == getattr(tower, "token_width", -1)
    tokens = getattr(tower, "prefix_length", 0) if alike else 0
    if token >= tokens:
        raise UserError(
            f"a contrastive objective's token={token} is none of the {tokens} tokens beside the image's patches, which "
            "count from 0: add some by model.image.registers, in a tower that has them and is not read by two at once"
        )


def match_metrics(
    scores: Scores,
    targets: Float[Array, "rows columns"],
    mask: Bool[Array, "rows columns"] | None = None,
) -> dict[str, Float[Array, ""]]:
    """Returns what `vlp.objectives.rows.Watched` shows of a whole matrix."""
    return watch(scores.cosines(), targets, mask).metrics()
