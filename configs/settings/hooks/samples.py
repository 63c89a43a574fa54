"""The first pictures and texts of the batch just trained on, for people to look at."""

from __future__ import annotations

from configs.settings.setting import count, natural

CLASS = "vlp.runs.samples:Samples"

SETTINGS = {
    "every": natural(100, "period in steps in which --job=watch has new ones to show; 0 = never"),
    "most": count(8, "of a batch that are kept"),
}
