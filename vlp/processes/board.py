"""What processes tell each other through jax's coordination service: from any thread, whatever the others do meanwhile,
and without a folder that all of them see.
"""

from __future__ import annotations

from typing import Any

import jax

SECONDS = 1200.0  # that one is waited for; jax ends a process sooner whose others have gone


def tell(topic: str, words: str) -> None:
    """Says something under a topic, for good or until it is said anew."""
    _client().key_value_set(topic, words, allow_overwrite=True)


def ask(topic: str, seconds: float = SECONDS) -> str:
    """Returns what was said under a topic, and waits for it.

    Raises:
      TimeoutError: nobody has said anything.
    """
    try:
        return str(_client().blocking_key_value_get(topic, int(1000 * seconds)))
    except jax.errors.JaxRuntimeError as error:
        if "DEADLINE_EXCEEDED" not in str(error):
            raise
        raise TimeoutError(f"nothing was said about {topic} in {seconds:.0f} s") from error


def forget(topic: str) -> None:
    """Drops what was said under a topic."""
    _client().key_value_delete(topic)


def heard(topic: str) -> dict[str, str]:
    """Returns what was said under `topic/...` so far, by the whole topic."""
    return dict(_client().key_value_dir_get(f"{topic}/"))


def _client() -> Any:
    # jax has no public name for it; Orbax reads it there as well.
    from jax._src import distributed

    return distributed.global_state.client
