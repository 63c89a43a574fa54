"""What makes the objective small, and components that it has prototypes for."""

import jax.numpy as jnp
import numpy as np

from vlp.given import Context

SETTINGS = {
    "episode_size": 16,
    "clusters": 5,
    "components": 3,
    "rounds": 1,
    "hidden_width": 16,
    "width": 8,
    "chunk": 3,
}
CONTEXT = Context.from_dict({"labels": {"classes": 2}})


def fields(dice, count):
    """Labels of half of the images."""
    labels = dice.integers(0, 2, (count, 1), dtype=np.int32)
    labels[count // 2 :] = -1
    return {"classes_ids": labels}


def before(objective):
    """Remembers the components of an episode that is about to begin."""
    dice = np.random.default_rng(1)
    centres = {
        "image": jnp.asarray(dice.normal(size=(5, 16)), jnp.float32),
        "density": jnp.array([0.1, 0.2, 0.1, 0.3, 0.0]),
    }
    labels = dice.integers(0, 4, objective.episode.size)
    objective.remember({}, centres, {"image": jnp.asarray(labels, jnp.int32)})
