"""Knowledge Concentration (Gao et al., 2017, arXiv 1711.07607): what specialists know, in one student.

    python main.py --config=configs/concentration.py:vertical=animals-nature --workdir=runs/animals-nature
    python main.py --config=configs/concentration.py:vertical=objects --workdir=runs/objects
    python main.py --config=configs/concentration.py:specialists=runs/animals-nature+runs/objects

A specialist is a classifier of the categories of one vertical, the first part of a category. The student learns, of
each image of these verticals, the likeliest of its own specialist's answers, and no for all other classes; its head has
a block for each vertical. The paper has 20 verticals of 100 thousand classes in all, 400 million images and the hundred
likeliest. Optimiser and length are CLIP's here. Of your own data, name categories and verticals as --job=labels does.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import evaluate_images, parse_arg, quickstart_source, shrink

METHODS = [
    {
        "paper": "Knowledge Concentration: Learning 100K Object Classifiers in a Single CNN",
        "arxiv": "1711.07607",
        "family": "distillation",
        "before": (
            "--config=configs/concentration.py:runlocal,vertical=animals-nature --workdir=runs/methods/animals",
            "--config=configs/concentration.py:runlocal,vertical=objects --workdir=runs/methods/objects",
        ),
        "argument": "runlocal,specialists=runs/methods/animals+runs/methods/objects",
        "check": "tests/objectives/test_concentration.py::"
        "test_targets_outside_the_vertical_and_below_its_highest_are_exactly_zero",
    },
]
TABLES = "data/quickstart/tables"
SIZES = {
    "animals-nature": 6,
    "objects": 7,
}  # categories of each vertical, as vertical_categories.json has them


def get_config(argument: str = "") -> ConfigDict:
    size = {"model": "vit_b16", "resolution": 224}
    arg = parse_arg(argument, **size, vertical="", specialists="", runlocal=False)
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution}")
    config.name = config.name.replace("clip", "concentration")
    source = {**quickstart_source("train"), "keep_labels": f"{TABLES}/vertical_categories.json"}
    config.data.sources = {"quickstart": source}
    config.data.labels = {
        "classes": {"path": f"{TABLES}/vertical_categories.json", "of": "label", "most": 1},
        "verticals": {"path": f"{TABLES}/verticals.json", "of": "branch", "most": 1},
    }
    config.objectives.contrastive.weight = 0.0
    if arg.specialists:
        names = tuple(f"specialist_{number}" for number, _ in enumerate(arg.specialists.split("+")))
        config.frozen = {
            name: {"checkpoint": path, "dtype": "bfloat16", "parts": ("classification/classifier",)}
            for name, path in zip(names, arg.specialists.split("+"), strict=True)
        }
        config.objectives.concentration.update(weight=1.0, sizes=tuple(SIZES.values()), teachers=names)
    else:
        config.objectives.classification.update(
            weight=1.0, labels="classes_ids", classes=sum(SIZES.values()), bias=-2.0
        )
    if arg.vertical:
        config.data.sources.quickstart.keep_labels = f"{TABLES}/{arg.vertical}.json"
    evaluate_images(config, every=config.evaluators.retrieval.every)
    if arg.runlocal:
        shrink(config)
    return config
