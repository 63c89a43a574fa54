"""ReCo (Shin et al., 2022, arXiv 2206.07045): segmentation by what the pictures have in common that a name finds.

    python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/co_segmentation.py

Nothing is trained: each class name finds pictures, the patch of each that all others support best is a seed, and the
seeds' mean is the class. `dense` beside it has the same figures by names alone.
`--config.evaluators.co_segmentation.contexts="('sky', 'grass')"` takes away what stands around many classes. The
authors' patches are those of a network that saw images alone, and a CRF smooths the maps; here they are the model's.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base

METHODS = [
    {
        "paper": "ReCo: Retrieve and Co-segment for Zero-shot Transfer",
        "arxiv": "2206.07045",
        "family": "evaluation",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "co_segmentation"
    for name in ("dense", "co_segmentation"):
        config.evaluators[name].update(final=True, templates="quickstart")
    return config
