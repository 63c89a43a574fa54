"""RAD-DINO (Perez-Garcia et al., 2024, arXiv 2401.10815): DINOv2 gone on with on images of one domain, without texts.

    python main.py --config=configs/raddino.py:model=vit_b14,resolution=518
    python main.py --config=configs/raddino.py:runlocal

Crops against a teacher's crops (DINO), hidden patches against the teacher's patches (iBOT) and KoLeo. Start from a
DINOv2, or any other image tower, by `--config.checkpoint.start_image=FOLDER`. Published: ViT-B/14, 2 global and local
crops, batch 2560, starting from DINOv2. The losses' weights, the head that crops and patches share, masks of a tenth to
a half of the patches in half of the crops, the temperature's warm-up and the teacher's momentum are the defaults of
DINOv2's released code (2304.07193). Not verified: steps, rate, decay and the crops' scales; the rate's decay by layers
is left out. DINOv2's larger models assign targets by Sinkhorn-Knopp, as here; `centring="mean"` takes the running mean
of its code's default.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import evaluate_images, parse_arg, shrink

METHODS = [
    {
        "paper": "RAD-DINO: Exploring Scalable Medical Image Encoders Beyond Text Supervision",
        "arxiv": "2401.10815",
        "family": "distillation",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
    {
        "paper": "DINOv2: Learning Robust Visual Features without Supervision",
        "arxiv": "2304.07193",
        "family": "distillation",
        "flags": "--config.objectives.masked_distillation.centring=mean",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b14", resolution=518, runlocal=False)
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution}")
    config.name = config.name.replace("clip", "raddino")
    config.update(batch_size=2560, steps=35_000)
    config.objectives.contrastive.weight = 0.0
    epoch = config.steps // 100
    config.objectives.masked_distillation.update(
        weight=1.0,
        centring="sinkhorn",
        teacher_temperature=0.07,
        temperature_steps=30 * epoch,
        frozen_steps=epoch,
        momentum=0.992,
        momentum_steps=config.steps,
    )
    config.optimizer.update(learning_rate=1e-3, b2=0.999, eps=1e-8, weight_decay=0.04, clip_norm=3.0)
    config.data.image.update(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    strong = {"flip": True, "color_jitter": (0.4, 0.4, 0.2, 0.1), "grayscale": 0.2, "blur": 0.5}
    patch = config.model.image.patch_size
    config.data.image_views = {
        "global_crops": {"count": 2, "crop_scale": (0.32, 1.0), **strong},
        "local_crops": {"count": 8, "resolution": 7 * patch, "crop_scale": (0.05, 0.32), **strong},
    }
    evaluate_images(config, every=config.evaluators.retrieval.every)
    if arg.runlocal:
        shrink(config)
        config.objectives.masked_distillation.update(
            hidden_width=64, bottleneck_width=16, prototypes=128, frozen_steps=2, temperature_steps=4
        )
        config.data.image_views.local_crops.update(count=2, resolution=2 * config.model.image.patch_size)
    return config
