"""Zero-shot tagging: mAP, variable top-k, ReaL accuracy and F1 over the bundled sets' tags.

python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/multi_label.py
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "multi_label"
    config.evaluators.multi_label.update(
        final=True, sets=("val_vendor", "val", "test"), templates="quickstart"
    )
    return config
