"""MDETR (Kamath et al., 2021, arXiv 2104.12763): regions and the words of a caption that speak of them.

    python main.py --config=configs/mdetr.py:model=vit_b16,resolution=224
    python main.py --config=configs/mdetr.py:runlocal

Its contrastive alignment, beside CLIP, for boxes that are given: no encoder of both, no matching and no soft token
prediction. What a word speaks of is read off the texts: a region's is a stretch of the caption. Boxes of phrases of
your own, such as Flickr30k Entities', come as `regions.jsonl` of {id, box, text}.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import use_collages

METHODS = [
    {
        "paper": "MDETR: Modulated Detection for End-to-End Multi-Modal Understanding",
        "arxiv": "2104.12763",
        "family": "contrastive",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg, config = clip.parse(argument), clip.get_config(argument)
    config.name = config.name.replace("clip", "mdetr")
    use_collages(config)
    config.objectives.region_words.weight = 1.0
    config.evaluators.regions.update(final=True, sets=("collages",), part="region_words/regions")
    if arg.runlocal:
        config.objectives.region_words.update(samples=3, hidden=32)
    else:
        config.update(batch_size=1024, steps=100_000)
    return config
