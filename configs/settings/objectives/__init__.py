"""The objectives: a file a kind."""

from __future__ import annotations

from configs.settings.setting import not_negative

COMMON = {"weight": not_negative(0.0, "of its loss in the step's sum; 0 = absent")}
