"""Captions that a model writes, as configs/coca.py and configs/openvision2.py train one to: BLEU-4, CIDEr, perplexity.

python main.py --job=evaluate --checkpoint=runs/coca --config=configs/eval/captioning.py
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "captioning"
    config.evaluators.captioning.update(final=True, sets=("val",), beams=4)
    return config
