"""The objectives: a file a kind."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import natural, not_negative, share

COMMON: dict[str, Any] = {
    "weight": not_negative(0.0, "of its loss in the step's sum; 0 = absent"),
    "schedule": {
        "begin": share(0.0, "of the run: before it the weight is 0"),
        "warmup": natural(0, "updates from there, in which the weight grows from 0 in a straight line"),
        "end": share(1.0, "of the run: from it on the weight is 0"),
    },
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that an objective's weight is at some step what the entry says."""
    schedule = entry.schedule
    if not entry.weight:
        return
    begin, end = (round(share * config.steps) for share in (schedule.begin, schedule.end))
    if begin + schedule.warmup >= end:
        raise ValueError(
            f"{where}.schedule: of {config.steps} steps the weight grows from step {begin} on for "
            f"{schedule.warmup} steps and ends at step {end}, before it is whole: begin earlier, warm up for "
            "less, or end later"
        )
