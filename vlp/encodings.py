"""Lazily encoded, remembered views of a batch: what objectives ask for.

What two objectives ask for is computed once; what nobody asks for is never traced.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import jax
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

from input_pipeline.errors import UserError
from vlp.given import FROZEN, FrozenModel, Known, text_arrays
from vlp.kernels.unit import unit
from vlp.models.constants import encode_replicated, label_means
from vlp.models.dual_encoder import DualEncoder, normalise
from vlp.models.spliced import Spliced
from vlp.models.text import SoftTokens
from vlp.models.vision import TowerOutput, VisionTransformer
from vlp.randomness import fold_in_name
from vlp.stored import stored_rows, with_stored, without_stored

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
        frozen: Collection[FrozenModel] = (),
    ):
        """Remembers what to encode; encodes nothing yet.

        Args:
          model: the towers.
          batch: fields of the step's batch; images are uint8.
          key: this step's randomness; each view folds its own name into it. None encodes as evaluation does.
          step: updates made before this one.
          mean: of pixel values in [0, 1], a value a channel.
          std: of pixel values in [0, 1].
          frozen: models that the batch may be seen through as well.
        """
        self.model, self.batch, self.step = model, with_stored(batch), step
        self._key, self._mean, self._std = key, mean, std
        self._frozen = {one.name: one for one in frozen}
        self._known: dict[tuple[str, str], Any] = {}
        self._parts: Mapping[str, Any] = {}

    def apart(self) -> Encodings:
        """Returns the same batch with what is known of it, whose further encodings are nobody else's."""
        other = copy.copy(self)
        other._known = {
            name: one.apart() if isinstance(one, Encodings) else one for name, one in self._known.items()
        }
        return other

    def altered(self, **fields: Shaped[Array, "batch ..."]) -> Encodings:
        """Returns the batch with other fields in the place of some, as the same model sees it, such as greys."""
        return Encodings(
            self.model,
            {**without_stored(self.batch, fields), **fields},
            key=self._key,
            step=self.step,
            mean=self._mean,
            std=self._std,
            frozen=tuple(self._frozen.values()),
        )

    def key(self, name: str) -> PRNGKeyArray:
        """Returns this step's randomness for whatever is called `name`."""
        if self._key is None:
            raise ValueError(f"'{name}' asks for randomness where the encoding is that of an evaluation")
        return fold_in_name(self._key, name)

    def _once(self, tower: str, view: str, compute: Callable[[], T]) -> T:
        if (tower, view) not in self._known:
            self._known[tower, view] = compute()
        return self._known[tower, view]

    def image_tower(self, view: str = "image") -> TowerOutput:
        """Returns the image tower's pooled output and patch tokens for the batch field `view`, which may hold several a
        row: [batch, n, ...] comes out as [batch, n, ...]."""
        key = None if self._key is None else self.key(view)
        return self._once("image_tower", view, lambda: self.through(self.model.image, view, key))

    def through(
        self, tower: VisionTransformer, view: str, key: PRNGKeyArray | None = None, **doors: Any
    ) -> TowerOutput:
        """Runs the batch field `view` through any image tower, such as a teacher's; without a key no patch is dropped.

        Args:
          tower: maps (pixels, key).
          view: batch field.
          key: randomness of the tower.
          **doors: what else it takes, such as `masked` or `watch`; of several views a row all are one long batch there.
        """

        grids = {"grid": self.batch[f"{view}_grid"]} if f"{view}_grid" in self.batch else {}
        _refuse_doors(doors if grids else (), view)

        def encode(pixels: Shaped[Array, "rows height width 3"], *grid: Int[Array, "rows 2"]) -> TowerOutput:
            beside: dict[str, Any] = dict(zip(grids, grid, strict=True))
            return tower(normalise(pixels, self._mean, self._std), key, **beside, **doors)

        return _flattened(encode, 3, self.batch[view], *grids.values())

    def pixels(self, view: str = "image") -> Float[Array, "*batch height width 3"]:
        """Returns the batch field `view` as towers see it: float32, of the config's mean and deviation."""
        return self._once("pixels", view, lambda: normalise(self.batch[view], self._mean, self._std))

    def text_tower(self, view: str = "text") -> TowerOutput:
        """Returns the text tower's pooled output and token outputs for the batch fields `view` and `view`_mask."""
        ids, mask = self.batch[view], self.batch[f"{view}_mask"]
        return self._once("text_tower", view, lambda: _flattened(self.model.text, 1, ids, mask))

    def image(self, view: str = "image") -> Float[Array, "*batch embed_dim"]:
        """Returns unit image embeddings, those that are stored where there are any."""
        rows = stored_rows(self.batch, "image", view)
        return (
            rows if rows is not None else self._once("image", view, lambda: unit(self.image_features(view)))
        )

    def image_token(self, view: str, token: int) -> Float[Array, "*batch embed_dim"]:
        """Returns unit embeddings of one of class token and registers, by the projection of the whole image."""
        prefix = self.image_tower(view).prefix
        assert prefix is not None, "the config's checks ask for a tower with such tokens"
        return unit(self.model.image_projection(prefix[..., token, :]))

    def image_features(self, view: str = "image") -> Float[Array, "*batch embed_dim"]:
        """Returns image embeddings as projected, of any length."""
        return self._once(
            "image_features", view, lambda: self.model.image_projection(self._pooled("image", view))
        )

    def patches(self, view: str = "image") -> Float[Array, "*batch patches embed_dim"]:
        """Returns unit embeddings of the patches, by the projection of the whole image."""
        return self._once(
            "patches", view, lambda: unit(self.model.image_projection(self.image_tower(view).tokens))
        )

    def text(self, view: str = "text") -> Float[Array, "*batch embed_dim"]:
        """Returns unit text embeddings, those that are stored where there are any."""
        rows = stored_rows(self.batch, "text", view)
        return rows if rows is not None else self._once("text", view, lambda: unit(self.text_features(view)))

    def text_features(self, view: str = "text") -> Float[Array, "*batch embed_dim"]:
        """Returns text embeddings as projected, of any length."""
        return self._once(
            "text_features", view, lambda: self.model.text_projection(self._pooled("text", view))
        )

    def _pooled(self, tower: str, view: str) -> Float[Array, "*batch width"]:
        """What a tower gives for an example, or what is stored in its place."""
        rows = stored_rows(self.batch, f"{tower}_tower", f"{view}_tower")
        if rows is not None:
            return rows
        return (self.image_tower if tower == "image" else self.text_tower)(view).pooled

    def texts(self, name: str, soft: SoftTokens | None = None) -> Float[Array, "texts embed_dim"]:
        """Returns unit embeddings of the constant texts `name`, an entry of `data.texts`, the same on every device.

        Args:
          name: of the entry.
          soft: vectors in the places of some tokens of each text, such as a learned context; [texts, count, ...]. What
            is encoded with them is not remembered.
        """
        if soft is not None:
            return unit(self.model.text_projection(self._texts_through(name, _pooled, soft)))
        known = text_arrays(self.batch, name).get("rows")  # where they were encoded before
        return (
            known if known is not None else self._once("texts", name, lambda: unit(self.texts_features(name)))
        )

    def sentences(self, texts: Spliced) -> Float[Array, "batch embed_dim"]:
        """Returns unit embeddings of texts that have soft tokens in them; they are not remembered."""
        output = self.model.text(texts.ids, texts.mask, soft=texts.soft)
        return unit(self.model.text_projection(output.pooled))

    def texts_features(self, name: str) -> Float[Array, "texts embed_dim"]:
        """Returns embeddings of constant texts as projected, of any length."""
        return self._once(
            "texts_features", name, lambda: self.model.text_projection(self._texts_through(name, _pooled))
        )

    def texts_tower(self, name: str) -> TowerOutput:
        """Returns the text tower's pooled output and token outputs for constant texts."""
        return self._once("texts_tower", name, lambda: self._texts_through(name, lambda output: output))

    def text_labels(self, name: str) -> Int[Array, " texts"]:
        """Returns the number of each constant text's label; the texts of a label stand together."""
        return text_arrays(self.batch, name)["label"]

    def label_texts(self, name: str, soft: SoftTokens | None = None) -> Float[Array, "labels embed_dim"]:
        """Returns a unit row for each label: the mean of its texts' unit rows (CLIP, arXiv 2103.00020, section
        3.1.4)."""

        def mean() -> Float[Array, "labels embed_dim"]:
            first = text_arrays(self.batch, name)["first"]
            return label_means(self.texts(name, soft), self.text_labels(name), len(first))

        return mean() if soft is not None else self._once("label_texts", name, mean)

    def _texts_through(
        self, name: str, take: Callable[[TowerOutput], T], soft: SoftTokens | None = None
    ) -> T:
        def encode(ids: Array, mask: Array, *own: Array) -> T:
            return take(
                self.model.text(ids, mask, soft=SoftTokens(*own)) if own else self.model.text(ids, mask)
            )

        arrays = text_arrays(self.batch, name)
        return encode_replicated(encode, arrays["ids"], arrays["mask"], *(soft or ()))

    def frozen(self, name: str) -> Encodings:
        """Returns the same batch through the frozen model `name`, an entry of `frozen`: without gradient or randomness.

        What an objective takes from there it lists as `NAME/field` in its `fields`, or `NAME/texts` in its `constants`.
        """

        def build() -> Encodings:
            model = self._frozen[name]
            variables: Any = self.batch[FROZEN + name]
            towers, parts = model.merged(variables)
            fields = model.batch(self.batch)
            seen = Encodings(towers, fields, key=None, step=self.step, mean=model.mean, std=model.std)
            seen._parts = Known(f"frozen.{name}.parts, with", "('entry/part',)", parts)
            return seen

        return self._once("frozen", name, build)

    def part(self, name: str) -> Any:
        """Returns a part of a frozen model, as 'entry/part': one of `frozen.NAME.parts`.

        Raises:
          UserError: the entry does not name it.
        """
        return self._parts[name]

    def logit_scale(self) -> Float[Array, ""]:
        """Returns the learned scale of cosines, as a multiplier."""
        return self.model.scale()

    def logit_bias(self) -> Float[Array, ""]:
        """Returns what is added to scaled cosines; zero in a model without one."""
        return self.model.bias()


def _refuse_doors(doors: Collection[str], view: str) -> None:
    """Refuses what a tower of images at their own aspect ratio cannot be told."""
    if doors:
        raise UserError(
            f"an active objective tells the image tower {', '.join(doors)} of '{view}', which none takes that "
            "sees images at their own aspect ratio: use another model.image.kind, or leave the objective out"
        )


def _flattened(
    encode: Callable[..., TowerOutput], axes: int, *arrays: Shaped[Array, "*batch ..."]
) -> TowerOutput:
    """Encodes examples of `axes` axes as one long batch, whatever axes stand before them."""
    batch = arrays[0].shape[: arrays[0].ndim - axes]
    output = encode(*(array.reshape(-1, *array.shape[len(batch) :]) for array in arrays))
    return jax.tree.map(lambda x: x.reshape(*batch, *x.shape[1:]), output)


def _pooled(output: TowerOutput) -> Float[Array, "texts width"]:
    return output.pooled
