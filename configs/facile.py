"""FACILE (2023, arXiv 2311.05659): features of images from labels of sets of images.

    python main.py --config=configs/facile.py:model=vit_b16,resolution=224
    python main.py --config=configs/facile.py:runlocal

So many images in a row are a set, whose label is the coarse one that most of them have; a model of sets learns it, and
what is measured are the images' own features. In `runlocal` the coarse labels are the branches of the bundled
categories, "animals" of "animals/bugs", and the categories are the fine ones. `sampler.kind="classes"` makes sets pure.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import evaluate_images

METHODS = [
    {
        "paper": "FACILE: Enhancing Instance-Level Image Classification with Set-Level Labels",
        "arxiv": "2311.05659",
        "family": "supervised",
        "check": "tests/objectives/test_set_labels.py::test_the_order_within_a_set_says_nothing_and_its_members_do",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = clip.parse(argument)
    config = clip.get_config(argument)
    config.name = config.name.replace("clip", "facile")
    config.data.labels = {"classes": {"of": "branch", "most": 1}}
    config.objectives.contrastive.weight = 0.0
    config.objectives.set_labels.weight = 1.0
    evaluate_images(config, every=0 if arg.runlocal else 5000)
    if arg.runlocal:
        config.objectives.set_labels.update(each=4, width=32)
    else:
        config.update(batch_size=2048, steps=50_000)
    return config
