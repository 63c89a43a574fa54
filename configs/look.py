"""LOOK (Feng et al., 2021, arXiv 2110.06014): supervised pre-training by leave-one-out nearest neighbours.

    python main.py --config=configs/look.py:model=vit_b16,resolution=224
    python main.py --config=configs/look.py:runlocal

Labels of images, and no texts: an image is classified by those of its nearest neighbours in a bank, so that images of a
label need not all be alike. Neighbours, temperature, bank and momentum are not verified. In `runlocal` the labels are
the branches of the bundled categories, "animals" of "animals/bugs"; `kernel="softmax"` with `neighbours=0` is SupCon.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import evaluate_images

METHODS = [
    {
        "paper": "LOOK: Rethinking Supervised Pre-training for Better Downstream Transferring",
        "arxiv": "2110.06014",
        "family": "supervised",
        "check": "tests/objectives/test_neighbour_labels.py::test_the_loss_is_that_of_a_vote_by_hand",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = clip.parse(argument)
    config = clip.get_config(argument)
    config.name = config.name.replace("clip", "look")
    config.data.labels = {"classes": {"of": "branch", "most": 1}}
    config.objectives.contrastive.weight = 0.0
    config.objectives.neighbour_labels.weight = 1.0
    evaluate_images(config, every=0 if arg.runlocal else 5000)
    if arg.runlocal:
        own = {"size": 64, "neighbours": 16, "hidden_width": 64, "width": 32, "momentum": 0.9}
        config.objectives.neighbour_labels.update(own)
    else:
        config.update(batch_size=1024, steps=112_500)  # 90 epochs of ImageNet
        config.objectives.neighbour_labels.size = 65_536
    return config
