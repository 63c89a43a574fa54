"""Lazily encoded, remembered views of a batch: what objectives ask for.

What two objectives ask for is computed once; what nobody asks for is never traced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

from vlp.kernels.unit import unit
from vlp.models.dual_encoder import DualEncoder, normalise
from vlp.models.vision import TowerOutput, VisionTransformer
from vlp.randomness import fold_in_name

T = TypeVar("T")


class Encodings:
    """One batch seen through one model."""

    def __init__(
        self,
        model: DualEncoder,
        batch: dict[str, Shaped[Array, "batch ..."]],
        *,
        key: PRNGKeyArray | None,
        step: Int[Array, ""],
        mean: tuple[float, ...],
        std: tuple[float, ...],
    ):
        """Remembers what to encode; encodes nothing yet.

        Args:
          model: the towers.
          batch: fields of the step's batch; images are uint8.
          key: this step's randomness; each view folds its own name into it. None encodes as evaluation does.
          step: updates made before this one.
          mean: of pixel values in [0, 1], a value a channel.
          std: of pixel values in [0, 1].
        """
        self.model, self.batch, self.step = model, batch, step
        self._key, self._mean, self._std = key, mean, std
        self._known: dict[tuple[str, str], Any] = {}

    def key(self, name: str) -> PRNGKeyArray:
        """This step's randomness for whatever is called `name`."""
        if self._key is None:
            raise ValueError(f"'{name}' asks for randomness where the encoding is that of an evaluation")
        return fold_in_name(self._key, name)

    def _once(self, tower: str, view: str, compute: Callable[[], T]) -> T:
        if (tower, view) not in self._known:
            self._known[tower, view] = compute()
        return self._known[tower, view]

    def image_tower(self, view: str = "image") -> TowerOutput:
        """The image tower's pooled output and patch tokens for the batch field `view`, which may hold several a row:
        [batch, n, ...] comes out as [batch, n, ...]."""
        key = None if self._key is None else self.key(view)
        return self._once("image_tower", view, lambda: self.through(self.model.image, view, key))

    def through(self, tower: VisionTransformer, view: str, key: PRNGKeyArray | None = None) -> TowerOutput:
        """The batch field `view` through any image tower, such as a teacher's; without a key no patch is dropped."""

        def encode(pixels: Shaped[Array, "rows height width 3"]) -> TowerOutput:
            return tower(normalise(pixels, self._mean, self._std), key)

        return _flattened(encode, 3, self.batch[view])

    def text_tower(self, view: str = "text") -> TowerOutput:
        """The text tower's pooled output and token outputs for the batch fields `view` and `view`_mask."""
        ids, mask = self.batch[view], self.batch[f"{view}_mask"]
        return self._once("text_tower", view, lambda: _flattened(self.model.text, 1, ids, mask))

    def image(self, view: str = "image") -> Float[Array, "*batch embed_dim"]:
        """Unit image embeddings."""
        return self._once("image", view, lambda: unit(self.image_features(view)))

    def image_features(self, view: str = "image") -> Float[Array, "*batch embed_dim"]:
        """Image embeddings as projected, of any length."""
        return self._once(
            "image_features", view, lambda: self.model.image_projection(self.image_tower(view).pooled)
        )

    def patches(self, view: str = "image") -> Float[Array, "*batch patches embed_dim"]:
        """Unit embeddings of the patches, by the projection of the whole image."""
        return self._once(
            "patches", view, lambda: unit(self.model.image_projection(self.image_tower(view).tokens))
        )

    def text(self, view: str = "text") -> Float[Array, "*batch embed_dim"]:
        """Unit text embeddings."""
        return self._once("text", view, lambda: unit(self.text_features(view)))

    def text_features(self, view: str = "text") -> Float[Array, "*batch embed_dim"]:
        """Text embeddings as projected, of any length."""
        return self._once(
            "text_features", view, lambda: self.model.text_projection(self.text_tower(view).pooled)
        )

    def logit_scale(self) -> Float[Array, ""]:
        """The learned scale of cosines, as a multiplier."""
        return self.model.scale()

    def logit_bias(self) -> Float[Array, ""]:
        """What is added to scaled cosines; zero in a model without one."""
        return self.model.bias()


def _flattened(
    encode: Callable[..., TowerOutput], axes: int, *arrays: Shaped[Array, "*batch ..."]
) -> TowerOutput:
    """Encodes examples of `axes` axes as one long batch, whatever axes stand before them."""
    batch = arrays[0].shape[: arrays[0].ndim - axes]
    output = encode(*(array.reshape(-1, *array.shape[len(batch) :]) for array in arrays))
    return jax.tree.map(lambda x: x.reshape(*batch, *x.shape[1:]), output)
