"""What makes the objective small, and the clusters that it has a loss for."""

import jax.numpy as jnp
import numpy as np

from vlp.kernels.unit import unit

SETTINGS = {"episode_size": 16, "clusters": 3, "dim": 8, "head_width": 16, "temperature": 0.1}


def before(objective):
    """Remembers the clusters of an episode that is about to begin."""
    dice = np.random.default_rng(1)
    features = {name: unit(jnp.asarray(dice.normal(size=(16, 8)), jnp.float32)) for name in ("image", "text")}
    labels = {name: jnp.asarray(dice.integers(0, 3, 16), jnp.int32) for name in features}
    objective.remember(features, {name: rows[:3] for name, rows in features.items()}, labels)
