"""What tells two images of a row apart: a tag that the second has and the first lacks, as the text of a change."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Int8, PRNGKeyArray


def drawn_changes(
    states: Int8[Array, "batch two tags"], key: PRNGKeyArray
) -> tuple[Int[Array, " batch"], Bool[Array, " batch"]]:
    """Draws one of the tags that the second image of each row has and the first does not, all alike likely.

    Args:
      states: 1 = has the tag, 0 = does not, -1 = nobody knows.
      key: of the draw.

    Returns:
      The tag's number, and whether there is one at all.
    """
    gained = (states[:, 1] > 0) & (states[:, 0] == 0)
    dice = jax.random.uniform(key, gained.shape)
    return jnp.where(gained, dice, -1.0).argmax(axis=1), gained.any(axis=1)
