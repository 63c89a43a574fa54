"""Captions against foils that differ in a word or in the order of words: SugarCrepe, Winoground."""

from __future__ import annotations

from configs.settings.evaluators import PREFIX_TOKEN
from configs.settings.setting import Setting

CLASS = "vlp.evaluation.composition.compositional:Compositional"

SETTINGS = {
    "questions": Setting(
        "",
        "file or folder of SugarCrepe, ARO, VL-CheckList, Winoground or CVQA; '' = captions that differ in a word",
    ),
    "prefix_token": PREFIX_TOKEN,
}
