"""FLAIR (Xiao et al., 2024, arXiv 2412.03561): images pooled by each text that they are compared with.

    python main.py --config=configs/flair.py:model=vit_b16,resolution=224
    python main.py --config=configs/flair.py:runlocal

A sigmoid contrast of every image with its own captions and one of each other image; each of these texts attends to the
image's patches and is compared with what it finds there. Beside it whole images against all captions. The part
`text_pooling/scorer` ranks images for a text. Long synthetic captions are the user's: the paper has 8 an image.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip

METHODS = [
    {
        "paper": "FLAIR: VLM with Fine-grained Language-informed Image Representations",
        "arxiv": "2412.03561",
        "family": "contrastive",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg, config = clip.parse(argument), clip.get_config(argument)
    config.name = config.name.replace("clip", "flair")
    config.model.image.patch_dropout = 0.0
    config.data.text_views = {"captions": {"count": 2 if arg.runlocal else 8, "sentences": True}}
    config.objectives.contrastive.weight = 0.0
    config.objectives.text_pooling.weight = 1.0
    config.evaluators.zero_shot.scorer = "text_pooling/scorer"
    if arg.runlocal:
        config.objectives.text_pooling.update(heads=2, chunk=8)
    else:
        config.update(batch_size=6144, steps=150_000)
        config.objectives.text_pooling.chunk = 256
    return config
