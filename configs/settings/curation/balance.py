"""No entry more often than t: MetaCLIP's balancing, of what a step of kind `match` found before."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting, count, share_below_one

CLASS = "input_pipeline.curation.balance:Balance"

SETTINGS = {
    "t": count(20_000, "texts of an entry that stay, about"),
    "tail": share_below_one(
        0.0, "of all matches that entries below t have, from which t follows; 0 = t as said"
    ),
    "reference": Setting(
        "", "language that t is of: its tail's share sets every other's t (MetaCLIP 2: en); '' = all alike"
    ),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that what is balanced was matched before."""
    name, steps = where.rpartition(".")[2], tuple(config.curate.steps)
    if name in steps:
        before = [
            config.curation[step].kind for step in steps[: steps.index(name)] if step in config.curation
        ]
        if "match" not in before:
            raise ValueError(f"{where} balances what was matched: put a step of kind 'match' before it")
