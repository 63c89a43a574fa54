"""What the processes of one run have to agree on before any of them goes on."""

from __future__ import annotations

import jax
import numpy as np
from jax.experimental import multihost_utils

from input_pipeline.errors import UserError


def from_first(value: int) -> int:
    """Returns the number that process 0 gives, of 32 bits; every process calls it."""
    return value if jax.process_count() == 1 else int(multihost_utils.broadcast_one_to_all(np.asarray(value)))


def raise_together(error: Exception | None) -> None:
    """Raises this process's error; where only others have one, raises as well, so that none is left waiting.

    Raises:
      Exception: the one given.
      UserError: others have one, and it is a user's mistake: a UserError there.
      RuntimeError: others have one of another kind.
    """
    kinds = np.asarray([(error is not None) + (error is not None and not isinstance(error, UserError))])
    if jax.process_count() > 1:
        kinds = np.asarray(multihost_utils.process_allgather(kinds)).reshape(-1)
    if error is not None:
        raise error
    if kinds.any():
        failed = ", ".join(str(index) for index in np.flatnonzero(kinds))
        words = f"process {failed} cannot go on: its own line or log says why"
        raise RuntimeError(words) if (kinds > 1).any() else UserError(words)
