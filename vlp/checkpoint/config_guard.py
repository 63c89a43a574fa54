"""A workdir belongs to one config; what may differ on resuming has to be said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_ABSENT = "(absent)"


def config_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Leaves that differ between two nested dicts: dotted path to (old value, new value)."""
    before, after = _flatten(old), _flatten(new)
    paths = sorted(before.keys() | after.keys())
    pairs = {path: (before.get(path, _ABSENT), after.get(path, _ABSENT)) for path in paths}
    return {path: pair for path, pair in pairs.items() if pair[0] != pair[1]}


def check_same_config(old: Mapping[str, Any], new: Mapping[str, Any], allowed: Sequence[str] = ()) -> None:
    """Refuses to go on under another config.

    Args:
      old: of the run in the workdir.
      new: of the command given now.
      allowed: dotted paths that may differ; a branch such as 'optimizer' stands for all of its leaves.

    Raises:
      ValueError: other leaves differ; the message names them with both values.
    """
    refused = {
        path: pair
        for path, pair in config_differences(old, new).items()
        if not any(path == entry or path.startswith(f"{entry}.") for entry in allowed)
    }
    if refused:
        changes = "; ".join(
            f"{path}: {before!r} there, {after!r} now" for path, (before, after) in refused.items()
        )
        raise ValueError(
            f"the workdir holds a run with another config ({changes}): use another --workdir, or allow the change "
            f"with --allow_config_change={','.join(refused)}"
        )


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            leaves |= _flatten(value, f"{prefix}{name}.")
        else:
            leaves[prefix + name] = _plain(value)
    return leaves


def _plain(value: Any) -> Any:
    """A value as JSON gives it back: lists for tuples."""
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
