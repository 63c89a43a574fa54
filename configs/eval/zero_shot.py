"""Zero-shot classification of the bundled sets by the names of their categories.

python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/zero_shot.py
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "zero_shot"
    config.evaluators.zero_shot.update(
        final=True, sets=("val_vendor", "val", "test"), templates="quickstart", metric="paths"
    )
    return config
