"""Where the embeddings of teachers come from: models that run beside the student, or rows that were stored."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from input_pipeline.errors import UserError
from vlp.encodings import Encodings
from vlp.given import Context


class Taught(NamedTuple):
    """A batch as one teacher sees it, constant to differentiation.

    Attributes:
      images: unit rows.
      texts: unit rows.
      scale: of their cosines.
      bias: of these then.
    """

    images: Float[Array, "*batch dim"]
    texts: Float[Array, "*batch dim"]
    scale: Float[Array, ""]
    bias: Float[Array, ""]


@dataclasses.dataclass(frozen=True)
class Teachers:
    """Several teachers of pairs: entries of `frozen`, or side tables with the rows of each, or of all side by side.

    Views of several images or texts an example are [batch, count, ...] in a model's field and in a table's alike.

    Attributes:
      frozen: names of the models; () = they are stored.
      tables: names of the fields with stored images, and with stored texts.
      widths: of each teacher's rows.
      views: the fields of images and texts that models are shown.
      scales: of each teacher's cosines; () = its own.
      biases: likewise; () = its own, and none of stored rows.
    """

    frozen: tuple[str, ...]
    tables: tuple[tuple[str, ...], tuple[str, ...]]
    widths: tuple[int, ...]
    views: tuple[str, str]
    scales: tuple[float, ...]
    biases: tuple[float, ...]

    @classmethod
    def of(cls, config: Any, context: Context) -> Teachers:
        """Reads the settings of an objective.

        Args:
          config: with `teachers`, `stored_images`, `stored_texts`, `stored_widths`, `scales`, `biases`, `image_view`
            and `text_view`.
          context: which knows how wide frozen models are.
        """
        frozen = () if config.stored_images else tuple(config.teachers)
        widths = tuple(context.frozen[name].embed_dim for name in frozen) or tuple(config.stored_widths)
        tables = (tuple(config.stored_images), tuple(config.stored_texts))
        views = (config.image_view, config.text_view)
        return cls(frozen, tables, widths, views, tuple(config.scales), tuple(config.biases))

    @property
    def stored(self) -> tuple[str, ...]:
        """Returns the fields that are read as they are."""
        return () if self.frozen else tuple(itertools.chain(*self.tables))

    @property
    def fields(self) -> tuple[str, ...]:
        """Returns the fields that they read."""
        image, text = self.views
        seen = [(f"{name}/{image}", f"{name}/{text}", f"{name}/{text}_mask") for name in self.frozen]
        return (*itertools.chain(*seen), *self.stored)

    def __call__(self, encodings: Encodings) -> list[Taught]:
        """Returns what each of them makes of the batch.

        Raises:
          UserError: stored rows are of another width than the settings say.
        """
        taught = self._run(encodings) if self.frozen else self._read(encodings)
        return jax.lax.stop_gradient(taught)

    def _run(self, encodings: Encodings) -> list[Taught]:
        models = [encodings.frozen(name) for name in self.frozen]
        scales = self.scales or [model.logit_scale() for model in models]
        biases = self.biases or [model.logit_bias() for model in models]
        rows = [(model.image(self.views[0]), model.text(self.views[1])) for model in models]
        return [
            Taught(*own, jnp.asarray(scale), jnp.asarray(bias))
            for own, scale, bias in zip(rows, scales, biases, strict=True)
        ]

    def _read(self, encodings: Encodings) -> list[Taught]:
        ends = list(itertools.accumulate(self.widths))
        sides = [jnp.split(self._rows(encodings, names), ends[:-1], axis=-1) for names in self.tables]
        biases = self.biases or (0.0,) * len(self.widths)
        return [
            Taught(image, text, jnp.asarray(scale, image.dtype), jnp.asarray(bias, image.dtype))
            for image, text, scale, bias in zip(*sides, self.scales, biases, strict=True)
        ]

    def _rows(self, encodings: Encodings, tables: tuple[str, ...]) -> Float[Array, "*batch width"]:
        """The rows of all teachers side by side."""
        parts = [encodings.batch[table] for table in tables]
        widths = tuple(part.shape[-1] if part.ndim > 1 else 0 for part in parts)
        if sum(widths) != sum(self.widths) or (len(tables) > 1 and widths != self.widths):
            raise UserError(
                f"data.tables.{' and data.tables.'.join(tables)}: rows of {widths} numbers, where an objective that "
                f"reads them has stored_widths={self.widths}: the table is of other teachers, or name their widths"
            )
        return jnp.concatenate(parts, axis=-1)
