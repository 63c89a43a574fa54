"""DreamLIP (Zheng et al., 2024, arXiv 2403.17007): several sentences an image, each with the patches it is about.

    python main.py --config=configs/dreamlip.py:model=vit_b16,resolution=224
    python main.py --config=configs/dreamlip.py:runlocal

Give records long captions (a source's `captions` may be several columns' worth): every visit draws eight of all their
sentences. The optimiser is CLIP's; the paper's is unverified.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip

METHODS = [
    {
        "paper": "DreamLIP: Language-Image Pre-training with Long Captions",
        "arxiv": "2403.17007",
        "family": "contrastive",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    config = clip.get_config(argument)
    config.name = config.name.replace("clip", "dreamlip")
    config.data.text_views = {"captions": {"count": 8, "sentences": True}}
    config.objectives.contrastive.text_view = "captions"
    config.objectives.grouping.weight = 1.0
    config.objectives.grouping.logit_scale.min = config.model.logit_scale.min = 1.0
    return config
