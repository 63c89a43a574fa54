"""Runs that differ only by their seed, taken together, and what the others differ in."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vlp.evaluation.runs import Run

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
    """In the order in which their first runs were named; a run without a config is a variant of its own."""
    groups: dict[object, list[Run]] = {}
    for run in runs:
        groups.setdefault(_identity(run) or run.name, []).append(run)
    configs = [_relevant(members[0]) for members in groups.values() if members[0].config]
    paths = sorted({path for config in configs for path in config})
    different = [path for path in paths if len({repr(config.get(path, ABSENT)) for config in configs}) > 1]
    return [
        Variant(
            _letter(number),
            tuple(sorted(members, key=lambda run: (run.seed is None, run.seed or 0))),
            {path: members[0].config.get(path, ABSENT) for path in different} if members[0].config else {},
        )
        for number, members in enumerate(groups.values())
    ]


def _relevant(run: Run) -> dict[str, Any]:
    return {
        path: value
        for path, value in run.config.items()
        if path != "seed" and not path.startswith(_INDIFFERENT)
    }


def _identity(run: Run) -> str:
    return repr(sorted(_relevant(run).items())) if run.config else ""


def _letter(number: int) -> str:
    """A to Z, then A2 to Z2 and so on."""
    letters = string.ascii_uppercase
    rest = number // len(letters)
    return letters[number % len(letters)] + (str(rest + 1) if rest else "")
