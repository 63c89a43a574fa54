"""PLIP (Zuo et al., 2023, arXiv 2305.08386): images and texts of the same persons, colours, attributes.

    python main.py --config=configs/plip.py:model=vit_b16,resolution=224
    python main.py --config=configs/plip.py:runlocal

Its three tasks: identities by the divergence of CMPM, colours of grey pictures from their captions, hidden words of
attributes from captions and images. The persons of SYNTH-PEDES are not here: in `runlocal` an identity is a concept,
which several artists have drawn, and attributes are the bundled tags. The weights of the last two are not verified.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip

METHODS = [
    {
        "paper": "PLIP: Language-Image Pre-training for Person Representation Learning",
        "arxiv": "2305.08386",
        "family": "hybrid",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = clip.parse(argument)
    config = clip.get_config(argument)
    config.name = config.name.replace("clip", "plip")
    tags = {"path": "data/quickstart/tables/tags.json", "labels": "verbatim"}
    config.data.texts = {"attributes": tags}
    config.objectives.contrastive.weight = 0.0
    config.objectives.identities.weight = 1.0
    config.objectives.colours.weight = 0.1
    config.objectives.attribute_words.weight = 0.1
    if arg.runlocal:
        config.objectives.attribute_words.update(depth=1, heads=2)
    else:
        config.update(batch_size=512, steps=650_000)  # 70 epochs of 4.8 million images
    return config
