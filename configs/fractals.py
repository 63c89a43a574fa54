"""Fractals before any photograph (Anderson and Farrell, 2021, arXiv 2110.03091): one to five in a picture, all named.

    python main.py --config=configs/fractals.py:model=vit_s16,resolution=224
    python main.py --config=configs/fractals.py:runlocal

Pictures of 1,000 iterated function systems are drawn when they are asked for; which systems a picture shows is asked
class by class. Another run starts from it by `--config.checkpoint.start_image=runs/fractals`. To name all classes of
a million pictures takes some 20 seconds at the start of a run; a file of them does not (`--job=labels
--config.labels.of=tags --output=fractals.json`, then `--config.data.labels.fractals.path=fractals.json`).

How many classes there are, how many fractals in a picture and how large is the paper's, and how systems are drawn; the
steps are 90 passes over a million pictures. Its backgrounds and colours are other ones, it varies the maps of a class a
little, and its tower is a ResNet-50.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import evaluate_images

METHODS = [
    {
        "paper": "Improving Fractal Pre-training",
        "arxiv": "2110.03091",
        "family": "supervised",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg, config = clip.parse(argument), clip.get_config(argument)
    config.name = config.name.replace("clip", "fractals")
    classes, images = (16, 400) if arg.runlocal else (1000, 1_000_000)
    if not arg.runlocal:
        config.update(batch_size=1024, steps=88_000)
    side = config.model.image.resolution
    path = f"classes={classes},images={images},side={side}"
    config.data.sources = {"fractals": {"format": "fractals", "path": path}}
    config.data.labels = {"fractals": {"most": 5}}
    config.data.image.update(crop_scale=(0.5, 1.0), flip=True)
    config.objectives.contrastive.weight = 0.0
    config.objectives.classification.update(weight=1.0, labels="fractals_ids", classes=classes, bias=-4.0)
    evaluate_images(config, every=config.evaluators.retrieval.every)
    return config
