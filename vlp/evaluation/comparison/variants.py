"""Runs that differ only by their seed, taken together, and what the others differ in."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vlp.evaluation.comparison.runs import Run

# Settings that change no figure by more than rounding: where things go and how often, threads, and machines.
_INDIFFERENT = (
    "name",
    "log.",
    "checkpoint.",
    "mesh.",
    "distributed.",
    "data.threads",
    "data.workers",
    "data.prefetch",
    "data.watchdog",
)
ABSENT = "(absent)"


@dataclass(frozen=True)
class Variant:
    """Runs of one config.

    Attributes:
      letter: A for the first.
      runs: by seed.
      settings: of its config, those that not all variants share.
    """

    letter: str
    runs: tuple[Run, ...]
    settings: Mapping[str, Any]

    @property
    def label(self) -> str:
        """The letter with what is special about the variant, where that is short."""
        what = ", ".join(f"{path.rpartition('.')[2]}={value}" for path, value in self.settings.items())
        return f"{self.letter}: {what}" if what and len(what) <= 40 else self.letter

    @property
    def seeds(self) -> list[int | None]:
        return [run.seed for run in self.runs]


def variants(runs: Sequence[Run]) -> list[Variant]:
    """Groups runs into variants, in the order of their first runs; one without a config is a variant of its own."""
    groups: dict[object, list[Run]] = {}
    for run in runs:
        groups.setdefault(repr(sorted(_relevant(run).items())) if run.config else run.name, []).append(run)
    configs = [_relevant(members[0]) for members in groups.values()]
    rows = differing([config for config in configs if config])
    return [
        Variant(
            _letter(number),
            tuple(sorted(members, key=lambda run: (run.seed is None, run.seed or 0))),
            {path: _value(config, path) for path in rows} if config else {},
        )
        for number, (members, config) in enumerate(zip(groups.values(), configs, strict=True))
    ]


def differing(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Paths that tell configs apart: of leaves with several values, and of the widest groups that only some have."""
    paths = sorted({path for config in configs for path in config})
    found = {path for path in paths if len({repr(config[path]) for config in configs if path in config}) > 1}
    groups = [{group for path in config for group in _groups(path)} for config in configs]
    for path in paths:
        lacking = [group for group in _groups(path) if not all(group in own for own in groups)]
        found |= set(lacking[:1])
    return sorted(found)


def _groups(path: str) -> list[str]:
    """The groups around a leaf, the widest first, and the leaf itself."""
    parts = path.split(".")
    return [".".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


def _value(config: Mapping[str, Any], path: str) -> Any:
    inside = [leaf for leaf in config if leaf.startswith(f"{path}.")]
    return f"({len(inside)} setting{'s' * (len(inside) > 1)})" if inside else config.get(path, ABSENT)


def _relevant(run: Run) -> dict[str, Any]:
    """Without the seed, and without groups that are empty: they have no setting."""
    return {
        path: value
        for path, value in run.config.items()
        if path != "seed" and not path.startswith(_INDIFFERENT) and value != {}
    }


def _letter(number: int) -> str:
    """A to Z, then A2 to Z2 and so on."""
    letters = string.ascii_uppercase
    rest = number // len(letters)
    return letters[number % len(letters)] + (str(rest + 1) if rest else "")
