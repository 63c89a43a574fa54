"""Selfie (Trinh et al., 2019, arXiv 1906.02940): which of an image's hidden pieces belongs at a place.

    python main.py --config=configs/selfie.py:model=vit_b16,resolution=224
    python main.py --config=configs/selfie.py:runlocal

The tower sees pieces of 32 pixels one by one, as the paper's patch network does; attention over those that are seen,
with the place added, picks the piece. Published: 7 by 7 pieces of an image of 224, the choice among the hidden pieces
of the same image, three blocks of attention. Not verified: the share of hidden pieces (a quarter here) and the
optimiser (masked autoencoders'). The patch network there is the first three groups of a ResNet-50; pieces as small as
one patch of the tower, `patch_picking.piece=1`, leave its attention nothing to do.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import evaluate_images, parse_arg, shrink

METHODS = [
    {
        "paper": "Selfie: Self-supervised Pretraining for Image Embedding",
        "arxiv": "1906.02940",
        "family": "masked modelling",
        "check": "tests/objectives/test_image_only.py::test_places_alone_pick_no_better_than_chance",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", resolution=224, runlocal=False)
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution}")
    config.name = config.name.replace("clip", "selfie")
    config.update(batch_size=512, steps=120_000)
    config.model.image.pool = "mean"
    config.objectives.contrastive.weight = 0.0
    config.objectives.patch_picking.weight = 1.0
    config.optimizer.update(learning_rate=3e-4, b2=0.95, eps=1e-8, weight_decay=0.05)
    config.data.image.update(
        crop_scale=(0.5, 1.0), flip=True, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )
    evaluate_images(config, every=config.evaluators.retrieval.every)
    if arg.runlocal:
        shrink(config)
        config.objectives.patch_picking.update(share=0.5, depth=1, heads=2, mlp_dim=128)
    return config
