"""CoCa (Yu et al., 2022, arXiv 2205.01917): a contrast, and a decoder that captions from the image's patches.

    python main.py --config=configs/coca.py:model=vit_b16,resolution=224
    python main.py --config=configs/coca.py:runlocal

The paper splits the text tower into halves that contrast and caption, and pools the image by attention, 256 queries for
the decoder; here the decoder is a transformer of its own that reads all patches, beside CLIP's towers. Weights 1 and 2
for contrast and captioning are the paper's. `objectives.contrastive.weight=0` captions alone, without a text tower.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.settings.towers import transformer

METHODS = [
    {
        "paper": "CoCa: Contrastive Captioners are Image-Text Foundation Models",
        "arxiv": "2205.01917",
        "family": "hybrid",
        "check": "tests/objectives/test_captioning.py::test_the_loss_is_cross_entropy_of_the_next_token",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    config = clip.get_config(argument)
    config.name = config.name.replace("clip", "coca")
    config.objectives.captioning.weight = 2.0
    config.objectives.captioning.size = "B"
    if clip.parse(argument).runlocal:
        config.objectives.captioning.update(transformer.TINY)
    return config
