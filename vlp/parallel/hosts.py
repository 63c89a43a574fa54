"""Which rows of a global batch a process has to bring."""

from __future__ import annotations

from jax.sharding import Mesh

from input_pipeline.errors import UserError
from vlp.parallel.sharding import batch_sharding


def batch_part(mesh: Mesh) -> tuple[int, int]:
    """Returns the part of every global batch that this process's devices hold: (which, of how many equal ones).

    Processes that differ only in their place on the model axis hold the same part.

    Args:
      mesh: over the devices of all processes.

    Raises:
      ValueError: its devices hold no part in one piece.
    """
    shards = mesh.shape["data"] * mesh.shape["fsdp"]
    held = batch_sharding(mesh).addressable_devices_indices_map((shards,))
    own = sorted({rows.indices(shards)[0] for (rows,) in held.values()})  # type: ignore[misc]
    part = own[0] // len(own)
    if shards % len(own) or own != list(range(part * len(own), (part + 1) * len(own))):
        raise UserError(
            f"this process's devices hold shards {own} of {shards} of a batch, which is no part in one piece: choose "
            f"mesh axes {dict(mesh.shape)} that are multiples or divisors of the devices of a process"
        )
    return part, shards // len(own)
