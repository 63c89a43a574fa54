"""--job=describe."""

from __future__ import annotations

from configs.settings.setting import Setting, count, natural

SETTINGS = {
    "labels": Setting("category", "rule from labels to class names, as in evaluators.zero_shot"),
    "tags": count(8, "of a class at most: those that tell it best from the others"),
    "templates": Setting(("{attribute}", "{name}: {attribute}"), "of a class name and one of its tags"),
    "confusable": natural(
        0, "others of a class that it is easily mistaken for, written instead; 0 = sentences"
    ),
}
