"""CatLIP (Mehta et al., 2024, arXiv 2404.15653): the words of the caption are classes, each a yes-or-no question.

    python main.py --job=labels --config=configs/catlip.py --config.labels.of=words --config.labels.least=500 \
      --output=words.json
    python main.py --config=configs/catlip.py:model=vit_b16,resolution=224 --config.data.labels.words.path=words.json \
      --config.objectives.classification.classes=40000
    python main.py --config=configs/catlip.py:runlocal

The paper takes the nouns that a tagger finds and the WordNet synsets that they mean, 40,000 of them with 500 captions
or more; here every word of three letters or more is a class, without any model. `classes` has to be at least as many
as the file has words, and a multiple of `mesh.model`. Without a file the words are those of the sources.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import superclass
from configs.clip import parse

METHODS = [
    {
        "paper": "CatLIP: CLIP-level Visual Recognition Accuracy with 2.7x Faster Pre-training on Web-scale Image-Text "
        "Data",
        "arxiv": "2404.15653",
        "family": "supervised",
        "check": "tests/input_pipeline/test_label_fields.py::test_the_words_of_captions_are_labels_too",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    config = superclass.get_config(argument)
    config.name = config.name.replace("superclass", "catlip")
    config.data.labels = {"words": {"of": "words", "most": 32}}
    config.objectives.classification.update(labels="words_ids", kernel="sigmoid", rare="", bias=-6.0)
    config.objectives.classification.classes = 5000 if parse(argument).runlocal else 40_000
    return config
