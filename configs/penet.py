"""PE-Net (Zheng et al., 2023, arXiv 2303.07096): what one region is to another, by prototypes of the predicates.

    python main.py --config=configs/penet.py:model=vit_b16,resolution=224
    python main.py --config=configs/penet.py:runlocal

A region is its text and what the image adds to it through a gate, a pair what two regions make, and a predicate the
prototype that is nearest. Predicates are eight directions, which boxes say themselves, without a background class;
scene graphs such as Visual Genome's, whose relations are annotated and whose boxes a detector proposes, are not read.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import use_collages

METHODS = [
    {
        "paper": "PE-Net: Prototype-based Embedding Network for Scene Graph Generation",
        "arxiv": "2303.07096",
        "family": "supervised",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]
DIRECTIONS = "data/quickstart/tables/directions.json"


def get_config(argument: str = "") -> ConfigDict:
    arg, config = clip.parse(argument), clip.get_config(argument)
    config.name = config.name.replace("clip", "penet")
    use_collages(config)
    config.data.texts = {"predicates": {"path": DIRECTIONS, "labels": "verbatim"}}
    config.objectives.contrastive.weight = 0.0
    config.objectives.relations.weight = 1.0
    for name in ("retrieval", "zero_shot"):
        config.evaluators[name].update(every=0, final=False)
    config.evaluators.relation_recall.update(final=True, sets=("collages",), part="relations/relations")
    if arg.runlocal:
        config.objectives.relations.update(samples=3, hidden=32)
    else:
        config.update(batch_size=256, steps=50_000)
    return config
