"""What the processes of one run have to agree on before any of them goes on."""

from __future__ import annotations

import jax
import numpy as np
from jax.experimental import multihost_utils


def from_first(value: int) -> int:
    """The number that process 0 gives; every process calls it."""
    return value if jax.process_count() == 1 else int(multihost_utils.broadcast_one_to_all(np.asarray(value)))


def raise_together(error: Exception | None) -> None:
    """Raises this process's error; where only others have one, raises as well, so that none is left waiting.

    Raises:
      Exception: the one given.
      RuntimeError: another process has one.
    """
    flags = np.asarray([error is not None])
    if jax.process_count() > 1:
        flags = np.asarray(multihost_utils.process_allgather(flags)).reshape(-1)
    if error is not None:
        raise error
    if flags.any():
        failed = ", ".join(str(index) for index in np.flatnonzero(flags))
        raise RuntimeError(f"checkpointing failed in process {failed}: its log says why")
