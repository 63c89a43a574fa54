"""Whether the files that a run reads are still those of its checkpoints, under paths that the config alone knows."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from input_pipeline.stream import Stream
from vlp.checkpoint import Description
from vlp.configuration import ConfigError


def inputs_of(stream: Stream) -> dict[str, dict[str, Any]]:
    """Returns how many records of each source a run uses and what they are, as a checkpoint remembers it."""
    return {
        "records": {name: records for name, (records, _) in stream.shares().items()},
        "contents": stream.contents,
    }


def check_inputs(
    saved: Description, stream: Stream, tokenizer: Mapping[str, Any], path: str, allowed: Sequence[str]
) -> None:
    """Refuses another tokenizer than a checkpoint's, and warns of sources that have changed since.

    Args:
      saved: of the checkpoint.
      stream: of the run that goes on from it.
      tokenizer: the spec of the run's.
      path: where it was read.
      allowed: config paths that may differ.

    Raises:
      ConfigError: the tokenizer's bytes are others, and nobody said that they may be.
    """
    _check_tokenizer(saved.tokenizer_spec, tokenizer, path, allowed)
    for words in changed_sources(saved.progress, inputs_of(stream)):
        logging.warning("%s", words)


def _check_tokenizer(
    saved: Mapping[str, Any], now: Mapping[str, Any], path: str, allowed: Sequence[str]
) -> None:
    """Refuses to go on with another tokenizer than the one that the model has learned the ids of."""
    if saved["sha256"] != now["sha256"] and not any(
        one in ("tokenizer", "tokenizer.path") for one in allowed
    ):
        raise ConfigError(
            f"tokenizer.path={path} holds another tokenizer than the run's checkpoints, whose ids the model has "
            "learned: put that one back, take another --workdir, or allow it with --allow_config_change=tokenizer.path"
        )


def changed_sources(saved: Mapping[str, Any], now: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yields a sentence for each source that is another one than when the checkpoint was saved.

    Args:
      saved: `inputs_of` then, or what checkpoints from before had of it.
      now: `inputs_of` the run's stream.
    """
    records, contents = saved.get("records", {}), saved.get("contents", {})
    for name in sorted(records.keys() & now["records"].keys()):
        change = ""
        if records[name] != now["records"][name]:
            change = f"had {records[name]:,} records when the checkpoint was saved and has {now['records'][name]:,} now"
        elif contents.get(name) != now["contents"].get(name) and name in contents:
            change = (
                f"holds something else in its {records[name]:,} records than when the checkpoint was saved"
            )
        if change:
            yield f"source '{name}' {change}: from here on the run shows other records than it would have shown"
