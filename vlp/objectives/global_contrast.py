"""Contrast with all pairs by a memory of each record's normaliser, for small batches: SogCLR, iSogCLR, FastCLIP."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from vlp.encodings import Encodings
from vlp.kernels.global_contrast import Anchors, Normalisers, moving_log_mean, normalisers
from vlp.kernels.loss import Loss
from vlp.models.dual_encoder import DualEncoder
from vlp.models.micro_batch import micro_batched
from vlp.objectives.base import Objective, ObjectiveOutput, Remembered
from vlp.objectives.rows import watched

RECORD = "record_number"
SPLIT = (None, "data")  # memories [2, records]: of images, of texts


class Individual(nnx.Module):
    """A temperature for every record's image and one for its text, each with moments of its own.

    Attributes:
      temperature, first, second: [2, records].
    """

    def __init__(self, records: int, start: float):
        """Starts all temperatures alike.

        Args:
          records: how many there are.
          start: temperature.
        """
        self.temperature = Remembered(jnp.full((2, records), start, jnp.float32), split=SPLIT)
        self.first = Remembered(jnp.zeros((2, records)), split=SPLIT)
        self.second = Remembered(jnp.zeros((2, records)), split=SPLIT)


class Numbers(NamedTuple):
    """Settings that are numbers; `configs/settings/objectives/global_contrast.py` says what they mean."""

    records: int
    rate: float
    rate_epochs: int
    rho: float
    epsilon: float
    temperature_rate: float
    lowest: float
    highest: float
    b1: float
    b2: float


class Seen(NamedTuple):
    """Holds what a batch says of one side: its estimates, and the logarithms that are remembered afterwards."""

    batch: Normalisers
    log: Float[Array, " batch"]


class GlobalContrast(Objective):
    """Images against texts, each row's sum over all texts kept as a moving mean under the number of its record.

    The loss of a row is the batch's estimate over the remembered one, a constant: near 1 whatever is learned, but its
    slope is that of log of the sum over all data. SogCLR (arXiv 2202.12387): rule v1 with a constant rate. iSogCLR
    (2305.11965): v2 with a constant rate. FastCLIP (2407.01445, algorithm 1): a rate that falls along a cosine, and
    rules v0 (one temperature, learned by this loss), v1 (constant), v2 (one a record) and v3 (one, learned by the
    robust loss, its rho times the temperature). The public code halves the slope for the towers and not for the
    temperature; here neither is.
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Makes the memory.

        Args:
          config: `objectives.global_contrast`.
          model: unused, as is `rngs`: it begins with nothing.
          rngs: unused.
        """
        del model, rngs
        self.rule, self.chunk = config.rule, config.chunk
        self.numbers = Numbers(**{name: config[name] for name in Numbers._fields})
        # Logarithms: exp((s - s_own) / temperature) is beyond float32 at the temperatures that are learned.
        self.log = Remembered(jnp.full((2, config.records), -jnp.inf, jnp.float32), split=SPLIT)
        self.individual = Individual(config.records, config.temperature) if self.rule == "v2" else None
        self.image_view, self.text_view = config.image_view, config.text_view
        self.fields = (self.image_view, self.text_view, f"{self.text_view}_mask", RECORD)
        self.raw, self.limits = (RECORD,), {RECORD: ("records", config.records)}

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over the batch, and remembers what it has seen of its records."""
        images, texts = encodings.image(self.image_view), encodings.text(self.text_view)
        records = encodings.batch[RECORD]
        epoch = encodings.step * len(records) // self.numbers.records
        rate, scale = self._rate(epoch), self._scale(encodings)
        scales = self._scales(scale, records)
        own = (images * texts).sum(axis=1)
        sides = ((images, texts), (texts, images))
        seen = [
            self._seen(rows, columns, own, scales[side], self.log[...][side, records], rate)
            for side, (rows, columns) in enumerate(sides)
        ]
        first = first_places(records)
        self._remember(self.log, records, jnp.stack([one.log for one in seen])[:, first])
        if self.individual is not None:
            self._cool(seen, scales, records, first, epoch)
        loss = self._loss(seen, scale)
        places = jnp.arange(len(records))
        shown = watched(images, texts, (places, places), chunk=self.chunk).metrics()
        shown |= {"rate": rate, "temperature": (1.0 / scales).mean(), "log_normaliser": seen[0].log.mean()}
        weight = jnp.asarray(len(records), loss.dtype)
        return ObjectiveOutput(Loss(loss * weight, weight), jax.lax.stop_gradient(shown))

    def _rate(self, epoch: Int[Array, ""]) -> Float[Array, ""]:
        """FastCLIP, section 4: from 1 along half a cosine to `rate`, an epoch at a time."""
        end, epochs = self.numbers.rate, self.numbers.rate_epochs
        if not epochs:
            return jnp.asarray(end)
        falling = 0.5 * (1.0 + jnp.cos(math.pi * epoch / epochs)) * (1.0 - end) + end
        return jnp.where(epoch < epochs, falling, end)

    def _scale(self, encodings: Encodings) -> Float[Array, ""]:
        scale = encodings.logit_scale()
        return scale if self.rule in ("v0", "v3") else jax.lax.stop_gradient(scale)

    def _scales(self, scale: Float[Array, ""], records: Int[Array, " batch"]) -> Float[Array, "2 batch"]:
        if self.individual is not None:
            return 1.0 / self.individual.temperature[...][:, records]
        # Of v3 the first term learns the temperature through its exponents, and so does v0.
        return jnp.broadcast_to(scale, (2, len(records)))

    def _seen(
        self,
        rows: Float[Array, "batch dim"],
        columns: Float[Array, "batch dim"],
        own: Float[Array, " batch"],
        scales: Float[Array, " batch"],
        before: Float[Array, " batch"],
        rate: Float[Array, ""],
    ) -> Seen:
        def estimate(*anchors: Array) -> Normalisers:
            return normalisers(Anchors(*anchors), columns)

        batch = micro_batched(estimate, self.chunk, rows, own, jnp.arange(len(rows)), scales)
        return Seen(batch, moving_log_mean(before, batch.log, rate))

    def _loss(self, seen: list[Seen], scale: Float[Array, ""]) -> Float[Array, ""]:
        shares = [jnp.exp(one.batch.log - self._floored(one.log)) for one in seen]
        first = shares[0].mean() + shares[1].mean()
        if self.rule != "v3":
            return first
        robust = self.numbers.rho + (seen[0].log.mean() + seen[1].log.mean()) / 2
        return first / jax.lax.stop_gradient(scale) + robust / scale

    def _floored(self, log: Float[Array, " batch"]) -> Float[Array, " batch"]:
        return jnp.logaddexp(log, jnp.log(jnp.asarray(self.numbers.epsilon, log.dtype)))

    def _remember(self, memory: Any, records: Int[Array, " batch"], values: Float[Array, "2 batch"]) -> None:
        memory[...] = memory[...].at[:, records].set(jax.lax.stop_gradient(values).astype(memory.dtype))

    def _cool(
        self,
        seen: list[Seen],
        scales: Float[Array, "2 batch"],
        records: Int[Array, " batch"],
        first: Int[Array, " batch"],
        epoch: Int[Array, ""],
    ) -> None:
        """Moves the batch's temperatures by Adam, whose powers count epochs (iSogCLR, equation 8; FastCLIP's code)."""
        own, numbers = self.individual, self.numbers
        assert own is not None
        slopes = jnp.stack([self._slope(one) for one in seen])
        b1, b2 = (jnp.where(epoch > 0, jnp.asarray(b, slopes.dtype), 0.0) for b in (numbers.b1, numbers.b2))
        moment = b1 * own.first[...][:, records] + (1.0 - b1) * slopes
        square = b2 * own.second[...][:, records] + (1.0 - b2) * slopes**2
        even, size = moment / (1.0 - b1 ** (epoch + 1)), square / (1.0 - b2 ** (epoch + 1))
        cooled = 1.0 / scales - numbers.temperature_rate * even / (jnp.sqrt(size) + 1e-8)
        for memory, values in (
            (own.first, moment),
            (own.second, square),
            (own.temperature, jnp.clip(cooled, numbers.lowest, numbers.highest)),
        ):
            self._remember(memory, records, values[:, first])

    def _slope(self, one: Seen) -> Float[Array, " batch"]:
        log = self._floored(one.log)
        pull = jnp.exp(one.batch.log - log) * one.batch.exponent
        return jnp.clip(jax.lax.stop_gradient(log + self.numbers.rho - pull), -5.0, 5.0)


def first_places(records: Int[Array, " batch"]) -> Int[Array, " batch"]:
    """Returns for each row the first place of its record, so that a record that comes twice is written one value."""
    order = jnp.argsort(records, stable=True)
    return order[jnp.searchsorted(records[order], records)]
