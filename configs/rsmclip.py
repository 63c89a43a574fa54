"""RS-M-CLIP (Silva et al., 2024, arXiv 2410.23370): CLIP on captions in several languages, and self-distillation.

    python main.py --config=configs/rsmclip.py:model=vit_b32,resolution=224
    python main.py --config=configs/rsmclip.py:runlocal

Each visit shows a caption in one of the languages that a record has, all alike. The method goes on from a CLIP with a
multilingual text tower; here both towers start afresh. Weight, crops, momentum and optimiser of the paper are
unverified: the head and its temperatures are DINO's (arXiv 2104.14294), and the teacher's momentum stays fixed, as is
advised where a contrastive loss stands beside (`self_distillation.momentum_steps` lets it rise to one).
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import parse_arg, shrink

METHODS = [
    {
        "paper": "RS-M-CLIP: Multilingual Vision-Language Pre-training for the Remote Sensing Domain",
        "arxiv": "2410.23370",
        "family": "hybrid",
        "check": "tests/objectives/test_views.py::"
        "test_self_distillation_is_cross_entropy_over_pairs_of_different_crops",
    },
    {
        "paper": "SILC: Improving Vision Language Pretraining with Self-Distillation",
        "arxiv": "2310.13355",
        "family": "hybrid",
        "flags": "--config.objectives.contrastive.kernel=sigmoid",
        "check": "tests/objectives/test_views.py::"
        "test_self_distillation_is_cross_entropy_over_pairs_of_different_crops",
    },
    {
        "paper": "DINO: Emerging Properties in Self-Supervised Vision Transformers",
        "arxiv": "2104.14294",
        "family": "distillation",
        "flags": "--config.objectives.contrastive.weight=0",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b32", resolution=224, runlocal=False)
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution}")
    config.name = config.name.replace("clip", "rsmclip")
    # DINO holds the head's last layer for its first epoch; of CLIP's 32.
    config.objectives.self_distillation.update(weight=1.0, frozen_steps=config.steps // 32)
    config.data.text.update(languages=(), language_choice="uniform")
    strong = {"flip": True, "color_jitter": (0.4, 0.4, 0.2, 0.1), "grayscale": 0.2, "blur": 0.5}
    config.data.image_views = {
        "global_crops": {"count": 2, "crop_scale": (0.4, 1.0), **strong},
        "local_crops": {
            "count": 8,
            "resolution": 3 * config.model.image.patch_size,
            "crop_scale": (0.05, 0.4),
            **strong,
        },
    }
    if arg.runlocal:
        shrink(config)
        config.objectives.self_distillation.update(
            hidden_width=64, bottleneck_width=16, prototypes=128, frozen_steps=2
        )
        config.data.image_views.local_crops.update(count=2, resolution=2 * config.model.image.patch_size)
    return config
