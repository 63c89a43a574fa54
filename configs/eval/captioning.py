"""Captions that a model writes, as configs/coca.py and configs/openvision2.py train one to: BLEU-4, CIDEr, perplexity.

python main.py --job=evaluate --checkpoint=runs/coca --config=configs/eval/captioning.py
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base

METHODS = [
    {
        "paper": "CIDEr: Consensus-based Image Description Evaluation",
        "arxiv": "1411.5726",
        "family": "evaluation",
        "model": "--config=configs/coca.py:runlocal --workdir=runs/methods/coca",
        "check": "tests/evaluation/test_captioning_figures.py::test_bleu_and_cider_are_those_of_coco_s_scorers",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "captioning"
    config.evaluators.captioning.update(final=True, sets=("val",), beams=4)
    return config
