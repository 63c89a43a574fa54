"""What an objective asks of a text tower that it gives soft tokens to."""

from __future__ import annotations

from typing import Any


def check_room(count: int, config: Any, where: str) -> None:
    """Checks that a text has room for soft tokens beside its own.

    Args:
      count: soft tokens before a text.
      config: the whole.
      where: the setting that says how many.
    """
    length = config.tokenizer.length
    if count + 3 > length:
        raise ValueError(
            f"{where}={count} leaves no room for a word: tokenizer.length={length} must be at least {count + 3}, or "
            "take fewer"
        )
