"""MOFI (Wu et al., 2023, arXiv 2306.07952): entities as classes, and images against the names of their entities.

    python main.py --config=configs/mofi.py:model=vit_b16,resolution=224
    python main.py --config=configs/mofi.py:runlocal

The paper's final model does both, as here; either alone is the other's weight at 0. Two million entities are the
paper's; half a million negatives a step, equal weights, and scale and margin of the classification are unverified.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import quickstart_table

METHODS = [
    {
        "paper": "MOFI: Learning Image Representations from Noisy Entity Annotated Images",
        "arxiv": "2306.07952",
        "family": "supervised",
        "check": "tests/objectives/test_discrimination.py::"
        "test_sampled_negatives_keep_every_positive_and_cost_nothing_elsewhere",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    config = clip.get_config(argument)
    config.name = config.name.replace("clip", "mofi")
    config.objectives.contrastive.targets = "text"  # two images of one entity are no negatives of each other
    config.objectives.discrimination.update(
        weight=1.0, kernel="softmax", labels="entity_id", classes=2_000_000, rate=0.25, margin_kind="cosine"
    )
    config.objectives.discrimination.update(scale=14.3, margin=0.0)
    config.data.text.update(label_share=1.0, templates=("{}",))
    config.data.sources.quickstart.columns.label = "concept"
    config.data.tables = {"entity_id": quickstart_table("entities")}
    if clip.parse(argument).runlocal:
        config.objectives.discrimination.classes = 2010
    return config
