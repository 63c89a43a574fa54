"""Objectives on recorded embeddings: what stands in for the towers, and an objective made of its settings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from configs import base
from vlp.given import Context
from vlp.models.compute import Compute
from vlp.objectives.base import Objective


class Given:
    """Encodings that were computed elsewhere; an objective asks for them by the names of its views."""

    def __init__(
        self, views: dict[str, Any], *, scale: Any = 1.0, bias: Any = 0.0, step: int = 0, **batch: Any
    ):
        self.views, self.scale, self.offset, self.batch = views, scale, bias, batch
        self.step, self.model = jnp.int32(step), SimpleNamespace(image=nnx.Dict())

    def image(self, view: str = "image") -> Any:
        return self.views[view]

    def text(self, view: str = "text") -> Any:
        return self.views[view]

    image_features, text_features = image, text
    label_texts = text

    pixels = image

    def image_tower(self, view: str) -> Any:
        return self._output(view)

    def through(self, tower: Any, view: str, key: Any = None, **doors: Any) -> Any:
        del key, doors
        return self._output(view if tower is self.model.image else f"teacher/{view}")

    def _output(self, view: str) -> Any:
        return SimpleNamespace(pooled=self.views.get(view), tokens=self.views.get(f"{view}/tokens"))

    def logit_scale(self) -> Any:
        return jnp.asarray(self.scale)

    def logit_bias(self) -> Any:
        return jnp.asarray(self.offset)

    def key(self, name: str) -> jax.Array:
        del name
        return jax.random.key(0)


class Same(nnx.Module):
    """A head that gives what it gets: its prototypes, where it is asked for them, are the unit vectors."""

    def __init__(self, prototypes: int = 0):
        self.count = prototypes

    def __call__(self, x: Any, **_: Any) -> Any:
        return x

    rows = __call__

    def columns(self, **_: Any) -> Any:
        return jnp.eye(self.count)


def made(
    objective: type[Objective],
    kind: str,
    *,
    width: int = 4,
    context: Context | None = None,
    own: dict[str, Any] | None = None,
    **settings: Any,
) -> Any:
    """An objective of its default settings, these and `own`; towers and joint space are of one width."""
    config = base.get_config().objectives[kind].copy_and_resolve_references()
    config.unlock()
    config.update({**settings, **(own or {})})
    tower = nnx.Dict(width=width, compute=Compute(), side=4, patch_size=2)
    model = SimpleNamespace(embed_dim=width, compute=Compute(), image=tower, text=nnx.Dict(width=width))
    known = {} if context is None else {"context": context}
    return objective(config, model=model, rngs=nnx.Rngs(0), **known)
