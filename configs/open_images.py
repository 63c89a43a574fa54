"""Open Images V4 (Kuznetsova et al., 2018, arXiv 1811.00982): labels that somebody verified, and a hierarchy of them.

    python main.py --config=configs/open_images.py:model=vit_b16,resolution=224
    python main.py --config=configs/open_images.py:runlocal

An image has few labels that somebody looked at. What was confirmed holds for all that it is a kind of, what was denied
for all that is a kind of it; all else is unknown and not asked. `verified` and `hierarchy` take Open Images' own files.
`--config.data.labels.tags.verified=""` denies what is unknown, which is the usual mistake;
`--config.objectives.classification.kernel=asymmetric_sigmoid` has the loss of that case.

The bundled tags come with a verified table made for it: tags, and for each image a few others that it has not. Boxes
and relationships of the data set are not here.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import evaluate_images
from configs.tagging import LABELS

METHODS = [
    {
        "paper": "The Open Images Dataset V4: Unified image classification, object detection, and visual relationship "
        "detection at scale",
        "arxiv": "1811.00982",
        "family": "supervised",
        "check": "tests/objectives/test_classification.py::test_unknown_labels_have_no_gradient_at_all",
    },
]

TABLES = "data/quickstart/tables"


def get_config(argument: str = "") -> ConfigDict:
    config = clip.get_config(argument)
    config.name = config.name.replace("clip", "open_images")
    verified, hierarchy = f"{TABLES}/verified.parquet", f"{TABLES}/hierarchy.json"
    config.data.labels = {
        "tags": {"path": LABELS, "of": "tags", "verified": verified, "hierarchy": hierarchy}
    }
    config.objectives.contrastive.weight = 0.0
    config.objectives.classification.update(weight=1.0, labels="tags", classes=210, bias=-2.0)
    evaluate_images(config, every=config.evaluators.retrieval.every)
    return config
