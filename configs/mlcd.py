"""MLCD (An et al., 2024, arXiv 2407.17331): each image against its 8 nearest of a million cluster centres.

    python main.py --config=configs/mlcd.py:model=vit_l14,resolution=224
    python main.py --config=configs/mlcd.py:runlocal

The labels come from a clustering of the data, made once (docs/clustering.md); here that of the bundled images. The
loss was never released: formula, k, l and the sampling rate are the paper's, scale 64 and the angular margin 0.3 are
unverified, as is whether images alone were clustered. A tenth of a million classes is fewer than a batch of 32,768
has labels: all of these take part, as in PartialFC, 262,144 a step. `--config.objectives.discrimination.kernel=joint`
is MLC, which the paper compares with. Text may be trained beside it (`objectives.contrastive.weight`) or after it
with the image tower frozen (`optimizer.learning_rate_rules="^model/image = 0"`).
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import evaluate_images, quickstart_table

METHODS = [
    {
        "paper": "MLCD: Multi-label Cluster Discrimination for Visual Representation Learning",
        "arxiv": "2407.17331",
        "family": "clustering",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    config = clip.get_config(argument)
    config.name = config.name.replace("clip", "mlcd")
    config.objectives.contrastive.weight = 0.0
    # Rows of images at a time, for a quarter of a million centres take part.
    config.objectives.discrimination.update(weight=1.0, chunk=128)
    config.optimizer.update(learning_rate=1e-3, weight_decay=0.2)
    evaluate_images(config, every=config.evaluators.retrieval.every)
    config.data.tables = {"cluster_ids": quickstart_table("clusters")}
    if clip.parse(argument).runlocal:
        config.objectives.discrimination.update(classes=256, rate=0.5)
    return config
