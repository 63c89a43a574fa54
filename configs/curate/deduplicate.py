"""Less is More (Wolf et al., 2024, arXiv 2410.14524): one of the images of a group with near-equal difference hashes.

    python main.py --job=curate --config=configs/curate/deduplicate.py --output=runs/curated/deduplicated

The paper's groups are volumes of CT slices; of the bundled pictures it is the concept that they show.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base

METHODS = [
    {
        "paper": "Less is More: Selective Reduction of CT Data for Self-Supervised Pre-Training of Deep Learning "
        "Models with Contrastive Learning Improves Downstream Classification Performance",
        "arxiv": "2410.14524",
        "family": "data",
        "flags": "--output=runs/methods/deduplicated",
        "check": "tests/input_pipeline/test_curation_steps.py::test_one_of_near_copies_stays_in_each_group",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "deduplicate"
    config.curate.steps = ("deduplicate",)
    config.curation.deduplicate.group = "group"
    return config
