"""Texts classified as pictures (arXiv 2106.12479): features of captions in a fixed layout, seen by the image tower.

python main.py --job=embed --checkpoint=runs/quickstart --config=configs/eval/features.py --output=runs/as_images
python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/text_as_image.py:runs/as_images

The first command embeds the captions, the second lays them out and trains a probe on what the image tower makes of
them. The argument is the folder of the first.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base

METHODS = [
    {
        "paper": "Classifying Textual Data with Pre-trained Vision Models through Transfer Learning and Data "
        "Transformations",
        "arxiv": "2106.12479",
        "family": "evaluation",
        "before": (
            "--job=embed --checkpoint=runs/methods/first --config=configs/eval/features.py "
            "--output=runs/methods/as_images",
        ),
        "check": "tests/input_pipeline/test_laid_out.py::test_a_text_can_be_read_back_from_its_picture",
    },
]


def get_config(folder: str = "runs/methods/as_images") -> ConfigDict:
    config = base.get_config()
    config.name = "text_as_image"
    with config.unlocked():
        for name in ("train", "test"):
            path = f"texts={folder}/{name}/text,layout={folder}/train/text"
            config.data.evaluation[name] = {"format": "laid_out", "path": path}
    config.evaluators.features.update(
        final=True, sets=("test",), train_sets=("train",), parts=("linear_probe", "knn")
    )
    return config
