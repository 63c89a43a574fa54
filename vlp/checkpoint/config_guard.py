"""A workdir belongs to one config; what may differ on resuming has to be said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from input_pipeline.errors import UserError
from vlp.checkpoint.description import shown

_ABSENT = "(absent)"
MOST = 5  # that are named


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
      ValueError: other leaves differ; the message names a few of them with both values, and how many more there are.
    """
    refused = {
        path: pair
        for path, pair in config_differences(old, new).items()
        if not any(path == entry or path.startswith(f"{entry}.") for entry in allowed)
    }
    if refused:
        changes = [
            f"{path}: {_words(before)} there, {_words(after)} now"
            for path, (before, after) in refused.items()
        ]
        more = [f"and {len(changes) - MOST} more"] if len(changes) > MOST else []
        raise UserError(
            f"the workdir holds a run with another config ({'; '.join([*changes[:MOST], *more])}): use another "
            f"--workdir, or allow the change with --allow_config_change={','.join(_branches(list(refused)))}"
        )


def _branches(paths: list[str]) -> list[str]:
    """The paths, or where they are many the branches that hold them."""
    return paths if len(paths) <= MOST else list(dict.fromkeys(path.partition(".")[0] for path in paths))


def _words(value: Any, longest: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= longest else f"{text[:longest]}..."


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            leaves |= _flatten(value, f"{prefix}{name}.")
        else:
            leaves[prefix + name] = shown(value)  # as a checkpoint has it: lists for tuples, and no secrets
    return leaves
