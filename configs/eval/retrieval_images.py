"""Images for an image, by class and by concept (GPR1200's protocol), and for an image with a text (CIRR's).

python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/retrieval_images.py
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base

METHODS = [
    {
        "paper": "GPR1200: A Benchmark for General-Purpose Content-Based Image Retrieval",
        "arxiv": "2111.13122",
        "family": "evaluation",
        "check": "tests/evaluation/test_image_retrieval.py::test_average_precision_is_that_of_scikit_learn",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "retrieval_images"
    sets = ("val_vendor", "val", "test")
    config.evaluators.image_retrieval.update(final=True, sets=sets)
    config.evaluators.composed_retrieval.update(final=True, sets=sets)
    return config
