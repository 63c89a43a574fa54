"""Randomness folded in by name, so that adding one part never shifts another's dice."""

from __future__ import annotations

import zlib

import jax
from flax import nnx
from jaxtyping import PRNGKeyArray


def fold_in_name(key: PRNGKeyArray, name: str) -> PRNGKeyArray:
    """Returns a key of its own for `name`; crc32 is the same in every process, which Python's `hash` is not."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def named_rngs(key: PRNGKeyArray, name: str) -> nnx.Rngs:
    """Returns the randomness of initial values of the module called `name`."""
    return nnx.Rngs(params=fold_in_name(key, name))
