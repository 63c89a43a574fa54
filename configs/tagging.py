"""CLIP, and every tag asked of every image by its own text, answered from the tags that records have.

    python main.py --config=configs/tagging.py:model=vit_b16,resolution=224
    python main.py --config=configs/tagging.py:runlocal

The loss is the asymmetric one of RAM++ (arXiv 2310.15200); its decoder over patches is not here, images are asked as a
whole. `--job=labels` writes the file of labels from your own data; `data.labels.tags.verified` has which of them
somebody has looked at, so that the rest is unknown. The bundled labels are tags of 20 or more training pictures.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip

METHODS = [
    {
        "paper": "ASL: Asymmetric Loss For Multi-Label Classification",
        "arxiv": "2009.14119",
        "family": "supervised",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]

LABELS = "data/quickstart/tables/tags.json"


def get_config(argument: str = "") -> ConfigDict:
    config = clip.get_config(argument)
    config.name = config.name.replace("clip", "tagging")
    config.data.labels = {"tags": {"path": LABELS, "of": "tags"}}
    config.data.texts = {
        "tags": {"path": LABELS, "labels": "verbatim", "templates": ("{}", "a picture of {}")}
    }
    config.objectives.tagging.weight = 1.0
    scorer = {"kind": "multi_label", "scorer": "tagging/scorer", "sets": ("val_vendor",)}
    config.evaluators.tags = {**scorer, "final": True, "every": config.evaluators.retrieval.every}
    return config
