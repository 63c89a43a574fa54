"""--job=concept."""

from __future__ import annotations

from configs.settings.setting import Setting, count, positive

SETTINGS = {
    "positive": Setting((), "phrases of what belongs to the concept; the first is its name"),
    "negative": Setting((), "phrases of what is like it and does not belong"),
    "annotator": Setting("", "a .jsonl file of answers, a command, or label:PATTERN of the data's own"),
    "budget": count(100, "images that are asked about, over all rounds"),
    "rounds": count(4, "of asking and fitting"),
    "penalty": positive(0.1, "of the probe's squared weights"),
}
