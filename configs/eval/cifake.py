"""CIFAKE's question (arXiv 2303.14126): is a picture real, and what gives it away? Here against re-rendered pictures.

python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/cifake.py

A probe of frozen features is trained on the pictures of val, each as it is and in other colours and textures, and
measured on those of test; the page shows which places speak for an answer. With a generator's pictures, a folder a
class:

    --config.data.evaluation.train.format=folder --config.data.evaluation.train.path=/data/cifake/train
    --config.data.evaluation.test.format=folder --config.data.evaluation.test.path=/data/cifake/test
    --config.evaluators.detector.positive="('FAKE',)"
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base

METHODS = [
    {
        "paper": "CIFAKE: Image Classification and Explainable Identification of AI-Generated Synthetic Images",
        "arxiv": "2303.14126",
        "family": "evaluation",
        "check": "tests/evaluation/test_detector.py::test_saliency_finds_the_place_that_decides",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "cifake"
    with config.unlocked():
        for name, split in (("train", "val"), ("test", "test")):
            path = f"data/quickstart/{split}.parquet"
            config.data.evaluation[name] = {"format": "beside_rerendered", "path": path}
    config.evaluators.detector.update(
        final=True,
        sets=("test",),
        train_sets=("train",),
        positive=("rerendered",),
        penalty=0.01,
        attacked=64,
    )
    return config
