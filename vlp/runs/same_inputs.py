"""Whether the files that a run reads are still those of its checkpoints, under paths that the config alone knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from input_pipeline.stream import Stream
from vlp.configuration import ConfigError


def records_of(stream: Stream) -> dict[str, int]:
    """Returns how many records of each source a run uses, as a checkpoint remembers it."""
    return {name: records for name, (records, _) in stream.shares().items()}


def check_tokenizer(
    saved: Mapping[str, Any], now: Mapping[str, Any], path: str, allowed: Sequence[str]
) -> None:
    """Refuses to go on with another tokenizer than the one that the model has learned the ids of.

    Args:
      saved: the tokenizer's spec in the checkpoint.
      now: that of the tokenizer that was read.
      path: where it was read.
      allowed: config paths that may differ.

    Raises:
      ConfigError: its bytes are others, and nobody said that they may be.
    """
    if saved["sha256"] != now["sha256"] and not any(
        one in ("tokenizer", "tokenizer.path") for one in allowed
    ):
        raise ConfigError(
            f"tokenizer.path={path} holds another tokenizer than the run's checkpoints, whose ids the model has "
            "learned: put that one back, take another --workdir, or allow it with --allow_config_change=tokenizer.path"
        )


def changed_sources(saved: Mapping[str, int], now: Mapping[str, int]) -> Iterator[str]:
    """Yields a sentence for each source that has another number of records than when the checkpoint was saved."""
    for name in saved.keys() & now.keys():
        if saved[name] != now[name]:
            yield (
                f"source '{name}' had {saved[name]:,} records when the checkpoint was saved and has {now[name]:,} now: "
                "from here on the run shows other records than it would have shown"
            )
