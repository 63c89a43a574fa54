"""UnsafeBench's questions (arXiv 2405.03486): F1 by source at a threshold from validation, and under attack.

python main.py --job=evaluate --checkpoint=runs/quickstart --config=configs/eval/unsafebench.py

What is looked for is neutral here: faces among other drawings, by the hand that drew them. Of a table of your own, with
a column that says where an image is from and labels that say whether it is unsafe,

    --config.data.evaluation.test="{'path': '/data/mine.parquet', 'columns': {'label': 'safety', 'extras': 'source'}}"
    --config.evaluators.detector.positive="('unsafe',)" --config.evaluators.detector.slices="('source',)"
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base
from configs.common import quickstart_source

METHODS = [
    {
        "paper": "UnsafeBench: Benchmarking Image Safety Classifiers on Real-World and AI-Generated Images",
        "arxiv": "2405.03486",
        "family": "evaluation",
        "check": "tests/evaluation/test_detector.py::test_attacks_keep_to_their_budget_and_turn_answers",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "unsafebench"
    with config.unlocked():
        config.data.evaluation.update({name: _with_vendor(name) for name in ("val", "test")})
    config.evaluators.detector.update(
        final=True,
        sets=("test",),
        train_sets=("val",),
        by="texts",
        positive=("smileys*", "people*"),
        slices=("vendor",),
        attacked=64,
    )
    return config


def _with_vendor(split: str) -> dict[str, object]:
    source = quickstart_source(split)
    return {**source, "columns": {**source["columns"], "extras": "vendor"}}
