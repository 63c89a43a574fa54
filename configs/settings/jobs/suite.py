"""--job=suite."""

from __future__ import annotations

from configs.settings.setting import Setting, count

SETTINGS = {
    "name": Setting(
        "datacomp", "of the suite", choices=("datacomp", "vtab", "vtab_plus", "imagenet_robustness")
    ),
    "tasks": Setting((), "keys, names or patterns of some of its tasks; () = all"),
    "batch_size": count(256, "images encoded at a time"),
}
