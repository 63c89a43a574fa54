"""SuperClass (Huang et al., 2024, arXiv 2411.03313): the tokens of the caption are the classes; no text tower.

    python main.py --config=configs/superclass.py:model=vit_b16,resolution=224
    python main.py --config=configs/superclass.py:runlocal

Every token of CLIP's vocabulary is a class of a linear classifier, a softmax over all of them is held to the caption's
tokens, and a token counts the more the rarer it has been so far. The paper adds a mean-pooled tower and a decoder-like
head in its larger forms, and reads embeddings before any projection; here the classifier reads the projected ones.
`--config.objectives.classification.rare=""` weighs all tokens alike, which the paper compares with.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import evaluate_images

METHODS = [
    {
        "paper": "SuperClass: Classification Done Right for Vision-Language Pre-Training",
        "arxiv": "2411.03313",
        "family": "supervised",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]

VOCABULARY = 49_408  # of CLIP's tokenizer


def get_config(argument: str = "") -> ConfigDict:
    config = clip.get_config(argument)
    config.name = config.name.replace("clip", "superclass")
    config.objectives.contrastive.weight = 0.0
    config.objectives.classification.update(
        weight=1.0, labels="text", classes=VOCABULARY, kernel="softmax", rare="frequency"
    )
    evaluate_images(config, every=config.evaluators.retrieval.every)
    if clip.parse(argument).runlocal:
        config.objectives.classification.classes = 2000  # of the bundled tokenizer
    return config
