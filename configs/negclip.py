"""NegCLIP (Yuksekgonul et al., 2022, arXiv 2210.01936): CLIP with captions of swapped words among the columns.

    python main.py --config=configs/negclip.py:model=vit_b16,resolution=224
    python main.py --config=configs/negclip.py:runlocal

Two words of each caption change places, by rule: the paper swaps nouns, adjectives, adverbs and verbs that a tagger
finds, and takes hard images from a search, which is not here. `foils="replace"` puts another colour, number, size or
place instead.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.desco import foiled

METHODS = [
    {
        "paper": "NegCLIP: When and why vision-language models behave like bags-of-words",
        "arxiv": "2210.01936",
        "family": "contrastive",
        "check": "tests/objectives/test_hard_negatives.py::"
        "test_the_loss_is_cross_entropy_with_foils_among_the_columns",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    config = clip.get_config(argument)
    config.name = config.name.replace("clip", "negclip")
    config.data.text_views = {"foils": {"count": 1, "foils": "swap"}}
    config.objectives.contrastive.weight = 0.0
    config.objectives.hard_negatives.update(weight=1.0, columns="all")
    foiled(config)
    return config
