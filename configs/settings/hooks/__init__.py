"""What is done after steps, beside what every run does: classes of anybody's package; there is none of our own."""

from __future__ import annotations

from configs.settings.setting import natural

COMMON = {"every": natural(0, "period in steps; 0 = never")}
