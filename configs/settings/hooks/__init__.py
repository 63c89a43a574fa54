"""What is done after steps, beside what every run does: a file a kind."""

from __future__ import annotations

from configs.settings.setting import natural

COMMON = {"every": natural(0, "period in steps; 0 = never")}
