"""What objectives that keep the rows of the last batches have in common."""

from __future__ import annotations

from typing import Any


def check_queue(entry: Any, config: Any, where: str) -> None:
    """Checks that whole batches fill the queue of an objective."""
    if entry.weight and entry.size % config.batch_size:
        raise ValueError(
            f"{where}.size={entry.size} must be a multiple of batch_size={config.batch_size}: a batch takes the "
            f"place of the oldest; use {max(1, entry.size // config.batch_size) * config.batch_size}"
        )
