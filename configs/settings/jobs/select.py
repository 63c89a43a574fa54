"""--job=select."""

from __future__ import annotations

from configs.settings.setting import Setting, natural, positive_share

SETTINGS = {
    "by": Setting(
        "entropy", "what makes images candidates", choices=("random", "entropy", "badge", "coreset")
    ),
    "balance": Setting(True, "candidates are chosen class by class, by what the model takes them for (PCB)"),
    "candidates": positive_share(0.1, "of the whole pool, at least the budget"),
    "budget": natural(0, "images to choose; 0 = as many as there are classes"),
    "bought": Setting("", "file of the ids whose labels are known, one a line; '' = none"),
    "classes": Setting("", "file of labels, as --job=labels writes it; '' = those of the pool"),
    "seed": natural(0, "of everything random; another for each round"),
}
