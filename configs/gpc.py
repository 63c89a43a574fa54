"""GPC (Zhao et al., 2023, arXiv 2305.06144): categories that have no labels, found beside those that have.

    python main.py --config=configs/gpc.py:model=vit_b16,resolution=224
    python main.py --config=configs/gpc.py:runlocal

Before each episode its features are clustered anew, by splits and merges, without being told how many categories there
are. In `runlocal` 40 of the bundled categories have labels and all other drawings have none. The paper starts from DINO
and trains the last block: `checkpoint.start_image` and `optimizer.learning_rate_rules` do that.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import evaluate_images

METHODS = [
    {
        "paper": "GPC: Learning Semi-supervised Gaussian Mixture Models for Generalized Category Discovery",
        "arxiv": "2305.06144",
        "family": "clustering",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]

LABELS = "data/quickstart/tables/trained_categories.json"


def get_config(argument: str = "") -> ConfigDict:
    arg = clip.parse(argument)
    config = clip.get_config(argument)
    config.name = config.name.replace("clip", "gpc")
    config.data.labels = {"classes": {"path": LABELS, "of": "label", "most": 1}}
    view = {"count": 2, "crop_scale": (0.3, 1.0), "flip": True, "color_jitter": (0.4, 0.4, 0.4, 0.1)}
    config.data.image_views = {"strong": view}
    config.model.image.patch_dropout = 0.0
    config.objectives.contrastive.weight = 0.0
    config.objectives.discovery.weight = 1.0
    evaluate_images(config, every=0 if arg.runlocal else 5000)
    config.evaluators.clusters.update(final=True, sets=config.evaluators.image_retrieval.sets)
    if arg.runlocal:
        own = {"episode_size": 64, "clusters": 64, "components": 8, "rounds": 2, "iterations": 5}
        config.objectives.discovery.update(own, hidden_width=32, width=16)
    else:
        config.update(batch_size=128, steps=200_000)
    return config
