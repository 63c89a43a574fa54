"""CroCo (Weinzaepfel et al., 2022, arXiv 2210.10716): the hidden patches of a view from another view of the same.

    python main.py --config=configs/croco.py:model=vit_b16,resolution=224
    python main.py --config=configs/croco.py:runlocal

Nine tenths of a view are hidden, the tower sees the rest and all of a second view, and a decoder that looks at the
second says the pixels. Published: the share, the decoder of 8 blocks of width 512 with 16 heads, normalised pixels, a
ViT-B/16, 400 epochs of 1.8 million pairs of rendered views. The views are photographs of one scene from two places
there, and two crops of an image here, which overlap; pairs of your own are two images of a record, which no source of
this project reads. The optimiser is masked autoencoders' (2111.06377), at the batch's rate. `cross_view/other_image` in
the log is the error with another image in the place of the second view.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import evaluate_images, parse_arg, shrink
from configs.settings.towers import transformer

METHODS = [
    {
        "paper": "CroCo: Self-Supervised Pre-training for 3D Vision Tasks by Cross-View Completion",
        "arxiv": "2210.10716",
        "family": "masked modelling",
        "check": "tests/objectives/test_image_only.py::test_completion_looks_at_the_second_view",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", resolution=224, runlocal=False)
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution}")
    config.name = config.name.replace("clip", "croco")
    config.update(batch_size=512, steps=1_400_000)
    config.model.image.update(pool="mean", position="sincos2d")
    config.objectives.contrastive.weight = 0.0
    config.objectives.cross_view.weight = 1.0
    config.optimizer.update(learning_rate=3e-4, b2=0.95, eps=1e-8, weight_decay=0.05)
    config.optimizer.schedule.warmup_steps = 140_000
    config.data.image.update(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    config.data.image_views = {
        "pair": {"count": 2, "crop_scale": (0.5, 1.0), "color_jitter": (0.4,) * 3 + (0.1,)}
    }
    evaluate_images(config, every=config.evaluators.retrieval.every)
    if arg.runlocal:
        shrink(config)
        config.objectives.cross_view.update(transformer.TINY)
    return config
