"""SiT (Atito et al., 2021, arXiv 2104.03602): spoilt pixels, and which image it was.

    python main.py --config=configs/sit.py:model=vit_s16,resolution=224
    python main.py --config=configs/sit.py:runlocal

Two views, each half noise or three tenths another image: the tower says the pixels that were there, and its output has
to be near that of a teacher on the other, clean view. Published, by the released code: the two shares, the temperature
of 0.2, weights of 1, the teacher's momentum from 0.996 to 1, ViT-S/16. Not verified: the optimiser (DINO's here), and
how large the blocks are that are spoilt. The decoder is a layer of the tower's width on each patch.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip, slip
from configs.common import evaluate_images, parse_arg, shrink

METHODS = [
    {
        "paper": "SiT: Self-supervised vIsion Transformer",
        "arxiv": "2104.03602",
        "family": "hybrid",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_s16", resolution=224, runlocal=False)
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution}")
    config.name = config.name.replace("clip", "sit")
    config.update(batch_size=1024, steps=1_000_000)
    config.objectives.contrastive.weight = 0.0
    config.objectives.corruption.update(weight=1.0, momentum_steps=config.steps)
    config.optimizer.update(learning_rate=2e-3, b2=0.999, eps=1e-8, weight_decay=0.04, clip_norm=3.0)
    config.optimizer.schedule.warmup_steps = 12_500
    config.data.image.update(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    config.data.image_views = slip.get_config("").data.image_views
    evaluate_images(config, every=config.evaluators.retrieval.every)
    if arg.runlocal:
        shrink(config)
        config.objectives.corruption.update(hidden_width=128, output_width=32)
    return config
