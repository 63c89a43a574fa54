"""Zero-shot classification by descriptions of the classes, which are made from the tags of the training data.

python main.py --job=describe --output=runs/descriptions.json
python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/descriptions.py
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs.eval import zero_shot

METHODS = [
    {
        "paper": "CuPL: What does a platypus look like? Generating "
        "customized prompts for zero-shot image classification",
        "arxiv": "2209.03320",
        "family": "evaluation",
        "before": ("--job=describe --output=runs/descriptions.json",),
        "check": "tests/evaluation/test_zero_shot.py::test_descriptions_join_the_templates_or_stand_alone",
    },
]


def get_config() -> ConfigDict:
    config = zero_shot.get_config()
    config.name = "descriptions"
    config.evaluators.zero_shot.update(descriptions="runs/descriptions.json", pooling="embedding")
    return config
