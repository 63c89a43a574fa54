"""Let's Go Shopping (Bai et al., 2024, arXiv 2401.04575): what a probe of one domain is worth in another.

python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/lgs.py

Probes of labels are trained on domain A, here Google's drawings of emoji, and measured on held-out things in the same
hand and in another's (Microsoft's). Labels of B are in no fit. `transfer/other/linear_probe/top1_drop` is the
difference, with an interval. A domain is what a column says (`only`); of product data,

    --config.data.evaluation.train="{'path': '/data/lgs/*.parquet', 'only': 'shop=one',
      'columns': {'captions': 'description|title', 'label': 'taxonomy', 'extras': 'shop'}}"

reads title, description and taxonomy.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base
from configs.common import quickstart_source

METHODS = [
    {
        "paper": "LGS: Let's Go Shopping, Web-Scale Image-Text Dataset for Visual Concept Understanding",
        "arxiv": "2401.04575",
        "family": "evaluation",
        "check": "tests/evaluation/test_transfer.py::test_labels_of_another_domain_are_in_no_fit",
    },
]

DOMAINS = {"train": ("train", "noto"), "same": ("test", "noto"), "other": ("test", "fluent-3d")}


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "lgs"
    with config.unlocked():
        config.data.evaluation = {
            name: _of_vendor(split, vendor) for name, (split, vendor) in DOMAINS.items()
        }
    config.evaluators.transfer.update(final=True, sets=("same", "other"), train_sets=("train",))
    return config


def _of_vendor(split: str, vendor: str) -> dict[str, object]:
    source = quickstart_source(split)
    return {**source, "only": f"vendor={vendor}", "columns": {**source["columns"], "extras": "vendor"}}
