"""--job=scaling."""

from __future__ import annotations

from configs.settings.setting import Setting, natural

SETTINGS = {
    "figure": Setting("", "what grows, a name of results.json, such as retrieval/val/rsum"),
    "by": Setting(
        "records",
        "what it grows with: records of the data in use, samples that were seen, or a number of the config by its path",
    ),
    "seed": natural(0, "of the bootstrap's draws"),
}
