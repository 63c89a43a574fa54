"""The one module that holds the towers and the active objectives."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

from vlp.encodings import Encodings
from vlp.given import Context, FrozenModel, asked
from vlp.models.compute import Compute
from vlp.models.dual_encoder import DualEncoder
from vlp.models.families import TOWERS, family
from vlp.objectives import active_objectives
from vlp.objectives.scheduled import where_there
from vlp.objectives.weights import Weight
from vlp.randomness import fold_in_name, named_rngs
from vlp.selection import active_selector
from vlp.selection.base import taken
from vlp.stored import stored_fields


def _beside(fields: Collection[str], config: Any, frozen: Mapping[str, FrozenModel]) -> set[str]:
    """The fields that stand beside views of images, by what the tower that reads them says."""
    found = set()
    for field in fields:
        model, slash, name = field.rpartition("/")
        own = frozen[model].config if slash else config
        if name == "image" or name in own.data.image_views:
            kind = family("image", own.model.image)
            found |= {f"{field}{end}" for end in kind.arrays(own.model.image, 1) if end}
    return found


class Pretrainer(nnx.Module):
    """Towers and objectives; called with a batch, it gives the step's loss."""

    def __init__(
        self,
        config: Any,
        *,
        vocabulary_size: int,
        compute: Compute,
        towers: Collection[str] = TOWERS,
        context: Context | None = None,
        frozen: Mapping[str, FrozenModel] | None = None,
    ):
        """Builds what the config switches on.

        Args:
          config: the whole resolved config.
          vocabulary_size: of the tokenizer in use.
          compute: how the towers compute.
          towers: which to build; see `vlp.training.towers`.
          context: what there is beside the batches; None = nothing.
          frozen: models that objectives may read, by name.

        Raises:
          ValueError: an objective asks for a frozen model that is not there.
        """
        key = jax.random.key(config.seed)
        self.model = DualEncoder(
            config.model,
            vocabulary_size=vocabulary_size,
            length=config.tokenizer.length,
            compute=compute,
            rngs=named_rngs(key, "model"),
            towers=towers,
        )
        context = (context or Context()).with_tokens(vocabulary_size, config.tokenizer.length)
        self.objectives = nnx.Dict(active_objectives(config.objectives, self.model, key, context))
        self.weights = {name: Weight.of(config.objectives[name], config.steps) for name in self.objectives}
        self.selector = active_selector(config)
        stored = stored_fields(config.data)
        fields = [
            name if name in one.raw else stored.get(name, name)
            for one in self.objectives.values()
            for name in one.fields
        ]
        fields += self.selector.fields if self.selector else ()
        constants = [name for one in self.objectives.values() for name in one.constants]
        self.fields, self.constants, used = asked(fields, constants, frozen or {})
        raw = {name for one in self.objectives.values() for name in one.raw} | set(stored.values())
        through = {name for one in self.objectives.values() for name in set(one.fields) - set(one.raw)}
        through -= set(stored)
        through |= set(self.selector.fields) if self.selector else set()
        self.encoded = tuple(name for name in self.fields if name not in raw or name in through)
        self.fields = tuple(sorted({*self.fields, *_beside(self.fields, config, frozen or {})}))
        self.frozen = tuple((frozen or {})[name] for name in used)
        self.limits = {
            field: (f"objectives.{name}.{setting}", limit)
            for name, one in self.objectives.items()
            for field, (setting, limit) in one.limits.items()
        }
        self.mean, self.std = tuple(config.data.image.mean), tuple(config.data.image.std)

    def encodings(
        self, batch: dict[str, Any], *, key: PRNGKeyArray | None, step: Int[Array, ""]
    ) -> Encodings:
        """Returns the batch, and what stands beside it, as objectives see it; see `Encodings`."""
        return Encodings(
            self.model, batch, key=key, step=step, mean=self.mean, std=self.std, frozen=self.frozen
        )

    def __call__(
        self, batch: dict[str, Shaped[Array, "batch ..."]], key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
        """Returns the weighted sum of the active objectives' mean losses, and the metrics of each.

        Args:
          batch: global arrays; see `input_pipeline`. Beside them what is the same at every step; see `vlp.given`.
          key: this step's randomness.
          step: updates made before this one.
        """
        metrics: dict[str, Float[Array, ""]] = {}
        if self.selector is not None:
            batch, metrics = self._selected(batch, key, step)
        encodings = self.encodings(batch, key=key, step=step)
        total = jnp.zeros((), jnp.float32)
        # Those that come and go are last: what the others have encoded they need not encode again.
        constant = {name: weight.constant for name, weight in self.weights.items()}
        for name in sorted(constant, key=lambda name: not constant[name]):
            objective, weight = self.objectives[name], self.weights[name]
            if constant[name]:
                with jax.named_scope("objectives"):
                    output = objective(encodings)
                mean = output.loss.mean()
                total, shown = total + weight.whole * mean, {"loss": mean, **output.metrics}
            else:
                output = where_there(objective, encodings, weight.there(step))
                mean, now = output.loss.mean(), weight.at(step)
                total, shown = total + now * mean, {"loss": mean, **output.metrics, "weight": now}
            metrics |= {f"{name}/{part}": value for part, value in shown.items()}
        return total, metrics

    def _selected(
        self, batch: dict[str, Shaped[Array, "batch ..."]], key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[dict[str, Shaped[Array, "kept ..."]], dict[str, Float[Array, ""]]]:
        """The rows that are trained on; the towers are looked through, and nothing of them is differentiated."""
        assert self.selector is not None
        graphdef, state = nnx.split(self.model)
        watched = nnx.merge(graphdef, jax.lax.stop_gradient(state))
        encodings = Encodings(
            watched, batch, key=None, step=step, mean=self.mean, std=self.std, frozen=self.frozen
        )
        rows, metrics = self.selector(encodings, fold_in_name(key, "selection"))
        return taken(batch, rows), {f"selection/{name}": value for name, value in metrics.items()}
