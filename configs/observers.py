"""Intraoperative ultrasound segmentation (2024): frames without a target, and several observers who do not agree.

    python main.py --config=configs/observers.py:model=vit_b16,resolution=224
    python main.py --config=configs/observers.py:runlocal

A classifier of whole pictures learns from an observer drawn anew each time, from the majority, or from either
(`objectives.observers.rule`); `evaluators.segmentation.gate` lets it say first whether a picture has the class at all,
and score maps are looked at where it has. Here three observers are the bundled tags, each with mistakes of its own.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip, tagging

METHODS = [
    {
        "paper": "Development and evaluation of intraoperative ultrasound segmentation with negative image frames and "
        "multiple observer labels",
        "arxiv": "",
        "family": "supervised",
        "check": "tests/objectives/test_region_objectives.py::"
        "test_observers_who_agree_are_the_majority_and_any_of_them",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    config = clip.get_config(argument)
    config.name = config.name.replace("clip", "observers")
    names = ("first", "second", "third")
    config.data.labels = {
        name: {"path": tagging.LABELS, "of": "tags", "noise": 0.2, "noise_seed": seed}
        for seed, name in enumerate(names)
    }
    config.data.texts = {"tags": {"path": tagging.LABELS, "labels": "verbatim"}}
    config.objectives.contrastive.weight = 0.0
    config.objectives.observers.update(weight=1.0, observers=names)
    scorer = {"kind": "multi_label", "scorer": "observers/scorer", "sets": ("val_vendor",)}
    config.evaluators.tags = {**scorer, "final": True, "every": config.evaluators.retrieval.every}
    for name in ("retrieval", "zero_shot"):
        config.evaluators[name].update(every=0, final=False)
    if not clip.parse(argument).runlocal:
        config.update(batch_size=256, steps=50_000)
    return config
