"""CMD (Bi et al., 2024, arXiv 2401.08860): crops, their patches, and these as a bag.

    python main.py --config=configs/cross_level.py:model=vit_s16,resolution=224
    python main.py --config=configs/cross_level.py:runlocal

DINO's loss on crops and EsViT's on patches, half of each, and cross-entropy of all patches of a crop together with what
the teacher says of another crop's whole. Published: the three terms and their weights. The released code's third term
is no divergence (it gives probabilities where logarithms are asked for, and sums of scores); here it is one. Views,
head and optimiser are RAD-DINO's in this project, which are DINOv2's; those of the paper are not verified.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import raddino
from configs.common import parse_arg

METHODS = [
    {
        "paper": "CMD: Cross-Level Multi-Instance Distillation for Self-Supervised Fine-Grained Visual Categorization",
        "arxiv": "2401.08860",
        "family": "distillation",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]
SHARED = ("teacher_temperature", "temperature_steps", "frozen_steps", "momentum", "momentum_steps")
HEAD = ("hidden_width", "bottleneck_width", "prototypes")


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_s16", resolution=224, runlocal=False)
    config = raddino.get_config(f"model={arg.model},resolution={arg.resolution},runlocal={arg.runlocal}")
    config.name = config.name.replace("raddino", "cross_level")
    crops = config.objectives.masked_distillation
    crops.weight = 0.0
    own = {name: crops[name] for name in (*SHARED, *HEAD)}
    config.objectives.cross_level.update(weight=1.0, **own)
    return config
