"""What makes the objective small: a bank that holds a batch already, of which one record comes again."""

import jax.numpy as jnp
import numpy as np

from vlp.given import Context
from vlp.kernels.unit import unit

SETTINGS = {"size": 16, "neighbours": 5, "hidden_width": 16, "width": 8, "chunk": 3}
CONTEXT = Context.from_dict({"labels": {"classes": 3}})


def fields(dice, count):
    """Labels, of which one is none, and records."""
    labels = dice.integers(0, 3, (count, 1), dtype=np.int32)
    labels[1] = -1
    return {
        "classes_ids": labels,
        "record_id": np.stack([np.arange(count), np.arange(count)], 1).astype(np.int32),
    }


def before(objective):
    """Remembers a batch."""
    dice = np.random.default_rng(1)
    rows = unit(jnp.asarray(dice.normal(size=(8, 8)), jnp.float32))
    objective.bank.push(rows=rows, labels=jnp.arange(8) % 3, records=jnp.arange(3, 19).reshape(8, 2))
