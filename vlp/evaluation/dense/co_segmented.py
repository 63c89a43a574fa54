"""Pointing on collages by what the pictures that a class name finds have in common: ReCo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float64

from input_pipeline.views.patches import like
from vlp.evaluation.dense.co_segmentation import (
    SHARPNESS,
    column_weights,
    likely,
    reference,
    seeds,
    support,
)
from vlp.evaluation.dense.collages import halved
from vlp.evaluation.dense.numbers import logistic
from vlp.evaluation.dense.segmentation import Dense, ScoredCollage
from vlp.evaluation.protocols import Encoder
from vlp.evaluation.texts.class_texts import encode_names


@dataclass(frozen=True)
class CoSegmentation(Dense):
    """The figures of `dense`, of patches that are like the seeds of the pictures that a class name finds.

    The pictures are the collages themselves, which are searched by their embeddings. Where the authors compare patches
    of a network of images alone, these are the model's own.

    Attributes:
        nearest: pictures that a name finds.
        contexts: names of what stands around many classes, whose patches support nothing.
    """

    nearest: int
    contexts: tuple[str, ...]

    def _scored(self, model: Encoder, name: str) -> Iterator[ScoredCollage]:
        plain = list(super()._scored(model, name))
        patches = np.asarray(model.encode_patch_array(self._collages[name].seen), np.float64)
        cells = patches.reshape(len(patches), -1, patches.shape[-1])
        references = self._references(model, name, cells)
        for one, own in zip(plain, cells, strict=True):
            yield one._replace(scores=likely(own, references) * logistic(SHARPNESS * one.scores))

    def _references(
        self, model: Encoder, name: str, cells: Float64[np.ndarray, "collages cells dim"]
    ) -> Float64[np.ndarray, "dim classes"]:
        from vlp.neighbours.search import search  # loads jax

        texts = encode_names(model, self._classes[name], self.templates, self.prefix_token).astype(np.float64)
        around = self._contexts(model, cells.shape[2])
        images = model.encode_image_array(self._pictures[name])
        found = search(texts, images, min(self.nearest, len(images))).places
        references = []
        for text, places in zip(texts, found, strict=True):
            own = cells[places]
            weights = column_weights(own, text, around, own)
            references.append(reference(own, seeds(support(own, weights))))
        return np.stack(references, axis=1)

    def _contexts(self, model: Encoder, dim: int) -> Float[np.ndarray, "contexts dim"]:
        if not self.contexts:
            return np.zeros((0, dim))
        return encode_names(model, list(self.contexts), self.templates, self.prefix_token)

    @cached_property
    def _pictures(self) -> dict[str, np.ndarray]:
        """The collages as large as the model's own pictures, by which they are found."""
        return {
            name: like(own.seen, halved(own.images)) if self.enlarge else own.seen
            for name, own in self._collages.items()
        }
