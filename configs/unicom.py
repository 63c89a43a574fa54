"""UNICOM (An et al., 2023, arXiv 2304.05884): one cluster an image, an angular margin, random classes and features.

    python main.py --config=configs/unicom.py:model=vit_b32,resolution=224
    python main.py --config=configs/unicom.py:runlocal

Margin 0.3, and that classes and dimensions are sampled, are confirmed; scale 64 and the rates 0.1 and 0.5 are
recalled and not verified (the released fine-tuning scripts have scale 32). The paper's image tower is a ViT of its
own kind.

Its labels are one cluster of a million an image, of the mean of image and text features. The bundled table has the
pairs' own concepts in their place; of your data a checkpoint makes them:

    python main.py --job=cluster --checkpoint=RUN --config=configs/unicom.py --output=runs/clusters \
      --config.cluster.feature=mean --config.cluster.nearest=1 --config.cluster.k=1000000

and `--config.data.tables="{'entity_id': {'path': 'runs/clusters/clusters.parquet', 'column': 'cluster_ids'}}"` takes
them.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip, mlcd
from configs.common import quickstart_table

METHODS = [
    {
        "paper": "UNICOM: Universal and Compact Representation Learning for Image Retrieval",
        "arxiv": "2304.05884",
        "family": "clustering",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    config = mlcd.get_config(argument)
    config.name = config.name.replace("mlcd", "unicom")
    config.objectives.discrimination.update(kernel="softmax", labels="entity_id", rate=0.1, feature_rate=0.5)
    config.optimizer.weight_decay = 0.05
    config.data.tables = {"entity_id": quickstart_table("entities")}
    if clip.parse(argument).runlocal:
        config.objectives.discrimination.classes = 2010
    return config
