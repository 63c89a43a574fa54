"""GRAIN (Chowdhury et al., 2024, arXiv 2412.04429): CLIP with queries that find regions and tell their descriptions.

    python main.py --config=configs/grain.py:model=vit_b16,resolution=224
    python main.py --config=configs/grain.py:runlocal

One more query is the image. Boxes and descriptions, which a multimodal model wrote for the paper, come as
`regions.jsonl` of {id, box, text} by `data.sources.NAME.regions_by_id`; here they are those of collages.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import use_collages

METHODS = [
    {
        "paper": "GRAIN: Grounding Descriptions in Images informs Zero-Shot Visual Recognition",
        "arxiv": "2412.04429",
        "family": "contrastive",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg, config = clip.parse(argument), clip.get_config(argument)
    config.name = config.name.replace("clip", "grain")
    use_collages(config)
    config.objectives.contrastive.weight = 0.0
    config.objectives.grounded_regions.weight = 1.0
    config.evaluators.retrieval.update(every=0, final=False)  # which knows no parts
    config.evaluators.zero_shot.scorer = "grounded_regions/regions"
    config.evaluators.detection.update(final=True, sets=("collages",), part="grounded_regions/regions")
    if arg.runlocal:
        config.objectives.grounded_regions.update(width=32, depth=1, heads=2, mlp_dim=64)
    else:
        config.update(batch_size=1024, steps=400_000)
        config.objectives.grounded_regions.chunk = 1024
        config.optimizer.learning_rate = 1e-3
    return config
