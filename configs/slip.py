"""SLIP (Mu et al., 2021, arXiv 2112.12750): CLIP, and SimCLR on two stronger views of the same images.

    python main.py --config=configs/slip.py:model=vit_b16,resolution=224
    python main.py --config=configs/slip.py:runlocal

Three image views a pair cost about three times CLIP's image tower. The numbers are the released code's for YFCC15M,
25 epochs, for S, B and L alike: embeddings and texts of 512 dimensions. Its towers lack CLIP's first norm, as ours do.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import shrink

METHODS = [
    {
        "paper": "SLIP: Self-supervision meets Language-Image Pre-training",
        "arxiv": "2112.12750",
        "family": "hybrid",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
    {
        "paper": "SimCLR: A Simple Framework for Contrastive Learning of Visual Representations",
        "arxiv": "2002.05709",
        "family": "contrastive",
        "flags": "--config.objectives.contrastive.weight=0",
        "check": "tests/objectives/test_views.py::test_view_contrast_is_nt_xent",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = clip.parse(argument)
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution}")
    config.name = config.name.replace("clip", "slip")
    config.update(batch_size=4096, steps=91_500)
    config.objectives.view_contrast.update(weight=1.0, last_bias=True)
    config.model.logit_scale.min = 1.0
    config.model.embed_dim = 512
    config.model.text.update(clip.TEXT_BASE)
    if config.model.image.size == "S":
        config.model.image.update(size="", width=384, depth=12, heads=12, mlp_dim=1536)
    config.optimizer.update(learning_rate=3e-3, eps=1e-8, weight_decay=0.1)
    config.optimizer.schedule.update(warmup_steps=3660, final=1 / 300)
    config.data.image.update(crop_scale=(0.5, 1.0), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    config.data.image_views = {
        "strong": {
            "count": 2,
            "crop_scale": (0.08, 1.0),
            "flip": True,
            "color_jitter": (0.4, 0.4, 0.4, 0.1),
            "grayscale": 0.2,
            "blur": 0.5,
        }
    }
    if arg.runlocal:
        shrink(config)
        config.objectives.view_contrast.update(hidden_width=128, output_width=32)
    return config
