"""AttrSeg (Ma et al., 2023, arXiv 2309.00096): classes of patches by attributes, which may leave out the name.

    python main.py --config=configs/attrseg.py:model=vit_b16,resolution=224,start=WORKDIR,attributes=attributes.json
    python main.py --config=configs/attrseg.py:runlocal

`attributes` is JSON of sentences by label, as a language model or `--job=describe` writes it; without one the
templates stand for them. Attributes of a class become one row by groups that attend to them, stage by stage, whatever
their order. No code is public; the form of the stages and the loss are not verified.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import CATEGORIES, name_regions, parse_arg, use_collages
from configs.denseclip import evaluate_maps

METHODS = [
    {
        "paper": "AttrSeg: Open-Vocabulary Semantic Segmentation via Attribute Decomposition-Aggregation",
        "arxiv": "2309.00096",
        "family": "supervised",
        "check": "tests/objectives/test_region_objectives.py::test_the_order_of_attributes_says_nothing",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", resolution=224, start="", attributes="", runlocal=False)
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution},runlocal={arg.runlocal}")
    config.name = config.name.replace("clip", "attrseg")
    use_collages(config)
    name_regions(config, "attributes")
    if arg.attributes:
        config.data.texts = {"attributes": {"path": arg.attributes, "templates": ()}}
        config.data.labels = {"classes": {"path": CATEGORIES, "of": "label", "most": 1}}
    config.objectives.contrastive.weight = 0.0
    config.objectives.attribute_texts.weight = 1.0
    config.checkpoint.start = arg.start
    if arg.start:
        config.optimizer.learning_rate_rules = "^model/text = 0; ^model/image = 0.1; .* = 1"
    evaluate_maps(config, "attribute_texts/scorer")
    if arg.runlocal:
        config.objectives.attribute_texts.update(width=32, heads=2, mlp_dim=64)
    else:
        config.update(batch_size=32, steps=80_000)
        config.optimizer.update(learning_rate=1e-4, weight_decay=1e-4)
    return config
