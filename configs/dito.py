"""DITO (Kim et al., 2023, arXiv 2310.00161): CLIP whose images are made by a detector's head over random boxes.

    python main.py --config=configs/dito.py:model=vit_b16,resolution=224
    python main.py --config=configs/dito.py:runlocal

What each box shows goes through the head, and the most of any box is the image. `windows=2` lets patches see their
window alone, averaged with windows shifted by half of one, at twice the tower's cost. The pyramid of levels is one
level here; how many boxes, and of what size, is not verified. Fine-tuning on LVIS needs a detector and is not here; the
head is a part, `region_contrast/regions`, which scores boxes that another project proposes.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import use_collages

METHODS = [
    {
        "paper": "DITO: Detection-Oriented Image-Text Pretraining for Open-Vocabulary Detection",
        "arxiv": "2310.00161",
        "family": "contrastive",
        "check": "tests/models/test_region_models.py::test_samples_of_the_whole_image_have_its_mean",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg, config = clip.parse(argument), clip.get_config(argument)
    config.name = config.name.replace("clip", "dito")
    use_collages(config)
    config.objectives.contrastive.weight = 0.0
    config.objectives.region_contrast.weight = 1.0
    config.evaluators.retrieval.update(every=0, final=False)  # which knows no parts
    config.evaluators.zero_shot.scorer = "region_contrast/regions"
    config.evaluators.regions.update(final=True, sets=("collages",), part="region_contrast/regions")
    if arg.runlocal:
        config.objectives.region_contrast.update(boxes=4, samples=3, hidden=32)
    else:
        config.update(batch_size=16_384, steps=500_000)
        config.objectives.region_contrast.chunk = 4096
    return config
