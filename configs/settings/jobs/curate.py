"""--job=curate."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting, count, natural

SETTINGS = {
    "steps": Setting((), "entries of `curation`, in order"),
    "embeddings": Setting(
        "", "folder of --job=embed with the same config, for steps that go by embeddings; '' = none"
    ),
    "seed": natural(0, "of everything that is drawn"),
    "slice": count(4096, "records worked on, and kept in a file, at once"),
    "processes": natural(0, "0 = one for each core"),
}


def check(curate: Any, config: Any, where: str) -> None:
    """Checks that steps are entries of `curation`, each at most once."""
    for name in curate.steps:
        if name not in config.curation:
            raise ValueError(
                f"{where}.steps: '{name}' is not in curation, which has {', '.join(config.curation)}"
            )
    if len(set(curate.steps)) < len(curate.steps):
        raise ValueError(
            f"{where}.steps={curate.steps} names one twice: give curation another entry of its kind"
        )
