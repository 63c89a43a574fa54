"""--job=inspect."""

from __future__ import annotations

from configs.settings.setting import count, natural, positive, positive_share

SETTINGS = {
    "records": natural(2000, "looked at in each source, evenly spread; 0 = all"),
    "rows": count(6, "of the contact sheet: records"),
    "visits": count(4, "of the contact sheet, beside each other"),
    "seconds": positive(10.0, "that --benchmark runs the loader"),
    "mfu": positive_share(0.5, "assumed for the images that the devices need"),
}
