"""Probes on frozen embeddings: trained on the bundled training pairs, measured on val and test.

python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/features.py

The same without a model, on embeddings that are kept:

python main.py --job=embed --checkpoint=runs/quickstart --config=configs/eval/features.py --output=runs/embedded
python main.py --job=evaluate --source=runs/embedded --config=configs/eval/features.py
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base
from configs.common import quickstart_source


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "features"
    with config.unlocked():
        config.data.evaluation = {name: quickstart_source(name) for name in ("train", "val", "test")}
    config.evaluators.features.update(final=True, sets=("val", "test"), train_sets=("train",))
    config.evaluators.clusters.update(final=True, sets=("val", "test"))
    config.evaluators.geometry.update(final=True, sets=("val", "test"))
    config.embed.feature = "both"
    return config
