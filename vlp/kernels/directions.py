"""One score matrix read in both directions."""

from __future__ import annotations

from collections.abc import Callable

import jax
from jaxtyping import Array, Float

from vlp.kernels.loss import Loss

Kernel = Callable[[Float[Array, "rows columns"], Float[Array, "rows columns"]], Loss]


def both_directions(
    kernel: Kernel,
    scores: Float[Array, "rows columns"],
    targets: Float[Array, "rows columns"],
    *,
    direction: float,
) -> Loss:
    """Mixes both readings of one matrix: direction * kernel(scores) + (1 - direction) * kernel(transposed scores).

    CLIP (arXiv 2103.00020, figure 3) halves the sum, ConVIRT (arXiv 2010.00747, equation 4) weighs image to text by
    0.75, ALIGN (arXiv 2102.05918) adds the two: twice the half.

    Args:
      kernel: with its settings bound; totals and weights are mixed alike, so it must weigh both directions alike for
        the mean to be the mixture of the two means.
      scores: already scaled.
      targets: of `scores`; transposed with them.
      direction: share of rows against columns.
    """
    return mix(kernel(scores, targets), kernel(scores.T, targets.T), direction)


def mix(forth: Loss, back: Loss, direction: float) -> Loss:
    """Mixes two losses: direction * forth + (1 - direction) * back, totals and weights alike."""
    return jax.tree.map(lambda one, other: direction * one + (1.0 - direction) * other, forth, back)
