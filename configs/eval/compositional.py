"""Captions against foils: of the bundled data those that differ in one word, or SugarCrepe's and Winoground's files.

python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/compositional.py
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "compositional"
    config.evaluators.compositional.update(final=True, sets=("val_vendor", "test"))
    return config
