"""INS (Qu et al., 2023, arXiv 2307.02249): a classifier of images from labels of bags.

    python main.py --config=configs/ins.py:model=vit_b16,resolution=224
    python main.py --config=configs/ins.py:runlocal

Side tables say of each record its place and whether its bag is positive: `data/quickstart/tables/bags.parquet` has bags
of 16 drawings, positive where one of them has the tag "flag". `vlp.load(path).scorer("instance_labels/classifier")`
tells how likely an image is one of those. Augmentations and the length of the warm-up are not verified. The authors'
other loss, of the bags' own labels, is off: `--config.objectives.instance_labels.bag_weight=0.5`.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import evaluate_images, quickstart_table

METHODS = [
    {
        "paper": "INS: Rethinking Multiple Instance Learning for Whole Slide Image Classification",
        "arxiv": "2307.02249",
        "family": "supervised",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = clip.parse(argument)
    config = clip.get_config(argument)
    config.name = config.name.replace("clip", "ins")
    config.data.tables = {name: quickstart_table("bags") for name in ("place", "bag", "bag_positive")}
    strong = {"crop_scale": (0.2, 1.0), "flip": True, "color_jitter": (0.4, 0.4, 0.4, 0.1), "grayscale": 0.2}
    config.data.image_views = {"strong": strong}
    config.objectives.contrastive.weight = 0.0
    config.objectives.instance_labels.update(weight=1.0, records=3227, bag_count=202)
    evaluate_images(config, every=0 if arg.runlocal else 5000)
    if arg.runlocal:
        own = {
            "size": 64,
            "hidden_width": 32,
            "width": 16,
            "momentum": 0.9,
            "warmup_steps": 2,
            "memory_steps": 8,
        }
        config.objectives.instance_labels.update(own)
    else:
        config.update(batch_size=512, steps=100_000)
        config.objectives.instance_labels.update(memory_steps=100_000, warmup_steps=2_000)
    return config
