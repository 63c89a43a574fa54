"""What is known of places in a picture: classes of cells, names of regions, boxes, and what one is to another.

    python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/regions.py

On collages of the bundled pictures; sets of your own have their regions from COCO's files or `regions_by_id`. As it is,
the towers are asked: patches, and crops of boxes. Parts of a model are named by flags, such as
`--config.evaluators.regions.part=region_words/regions`.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base
from configs.common import quickstart_source

METHODS = [
    {
        "paper": "The pointing game: Top-down Neural Attention by Excitation Backprop",
        "arxiv": "1608.00507",
        "family": "evaluation",
        "check": "tests/evaluation/test_region_evaluators.py::"
        "test_maps_have_background_and_a_gate_takes_false_positives_away",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "regions"
    config.data.evaluation.val = {**quickstart_source("val"), "format": "collages"}
    for name in ("segmentation", "regions", "detection", "relation_recall"):
        config.evaluators[name].update(final=True, sets=("val",))
    config.evaluators.segmentation.gate = "cosines"
    return config
