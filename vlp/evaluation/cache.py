"""Embeddings remembered for one round of evaluation, while the weights stand still."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float32, UInt8

from input_pipeline.errors import UserError
from vlp.evaluation.protocols import Captioner, Composer, Encoder, PixelPath, Rows, Scorer

T = TypeVar("T")


class LatestModel:
    """Remembers what was computed with one model, until it is asked about another: figures, outcomes and exhibits
    of an evaluator start from the same."""

    def __init__(self) -> None:
        self._model: Callable[[], Encoder | None] = lambda: None
        self._known: dict[str, Any] = {}

    def once(self, model: Encoder, key: str, compute: Callable[[], T]) -> T:
        if self._model() is not model:
            self._model, self._known = weakref.ref(model), {}
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]


class RememberingEncoder:
    """An `Encoder` that asks the model once for each image array (the object) and each text (the string)."""

    def __init__(self, model: Encoder) -> None:
        self._model = model
        # Rows go with their array, whose id another may have afterwards: an evaluator's crops are not kept for them.
        self._images: dict[tuple[str, int], tuple[weakref.ref[np.ndarray], Rows]] = {}
        self._texts: dict[tuple[str, str], np.ndarray] = {}
        self._scores: dict[tuple[Any, ...], tuple[np.ndarray, np.ndarray]] = {}

    @classmethod
    def around(cls, model: Encoder) -> RememberingEncoder:
        """Returns a model that remembers: the given one itself where it does so already."""
        return model if isinstance(model, cls) else cls(model)

    @property
    def logit_scale(self) -> float:
        return self._model.logit_scale

    @property
    def has_context(self) -> bool:
        """Tells whether the model has learned what stands around names, where it says so."""
        return bool(getattr(self._model, "has_context", False))

    def encode_image_array(self, images: UInt8[np.ndarray, "n h w 3"]) -> Float32[np.ndarray, "n dim"]:
        return self._once("image", images, lambda: self._model.encode_image_array(images))

    def encode_patch_array(self, images: UInt8[np.ndarray, "n side side 3"]) -> Rows:
        return self._once("patches", images, lambda: self._model.encode_patch_array(images))

    def encode_text(self, texts: Sequence[str], *, prefix: str = "") -> Float32[np.ndarray, "n dim"]:
        new = [text for text in dict.fromkeys(texts) if (text, prefix) not in self._texts]
        if new:
            rows = _one_row_each(self._model.encode_text(new, prefix=prefix), len(new))
            self._texts.update(zip([(text, prefix) for text in new], rows, strict=True))
        return np.stack([self._texts[text, prefix] for text in texts])

    def pixels(self) -> PixelPath:
        """Returns the model's way from pixels, of which nothing is asked twice."""
        return self._model.pixels()

    def scorer(self, name: str = "") -> Scorer:
        """Returns the model's scorer, asked once for each image array and texts."""
        return _RememberingScorer(name, self._model, self._scores)

    def composer(self, name: str) -> Composer:
        """Returns the model's composer, whose rows nobody else asks for."""
        return self._model.composer(name)

    def captioner(self, name: str = "writer", beams: int = 1) -> Captioner:
        """Returns the model's captioner, whose texts nobody else asks for."""
        return self._model.captioner(name, beams)

    def _once(self, kind: str, images: np.ndarray, encode: Callable[[], Rows]) -> Any:
        key = kind, id(images)
        if key not in self._images:
            rows, own = _one_row_each(encode(), len(images)), weakref.ref(self)
            gone = weakref.ref(images, lambda _: (us := own()) and us._images.pop(key, None))
            self._images[key] = gone, rows
        return self._images[key][1]


class _RememberingScorer:
    def __init__(
        self, name: str, model: Encoder, known: dict[tuple[Any, ...], tuple[np.ndarray, np.ndarray]]
    ):
        self._name, self._model, self._known = name, model, known

    def __getattr__(self, name: str) -> Any:
        """What a scorer can be asked beside `score`, which is not remembered."""
        return getattr(self._model.scorer(self._name), name)

    def score(
        self, images: UInt8[np.ndarray, "n h w 3"], texts: Sequence[str], *, prefix: str = ""
    ) -> Float32[np.ndarray, "n k"]:
        key = self._name, id(images), tuple(texts), prefix
        if key not in self._known:
            scores = self._model.scorer(self._name).score(images, texts, prefix=prefix)
            if scores.shape != (len(images), len(texts)):
                raise UserError(
                    f"the part '{self._name}' returned {scores.shape} for {len(images)} images and {len(texts)} texts"
                )
            self._known[key] = images, scores
        return self._known[key][1]


def _one_row_each(rows: Rows, count: int) -> Rows:
    if isinstance(rows, list):
        if len(rows) != count:
            raise UserError(f"the model returned {len(rows)} maps for {count} inputs")
    elif rows.ndim not in (2, 4) or len(rows) != count:
        raise UserError(f"the model returned {rows.shape} for {count} inputs: it must return ({count}, dim)")
    return rows
