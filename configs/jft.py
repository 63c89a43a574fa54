"""JFT (Sun et al., 2017, arXiv 1707.02968): many labels an image, a fifth of them wrong, and more and more images.

    python main.py --config=configs/jft.py:model=vit_b16,resolution=224
    python main.py --config=configs/jft.py:runlocal

The question is what another tenfold of noisily labelled images is worth. `fraction` takes nested shares of the data,
`--job=scaling` fits what the runs reach:

    for share in 0.1 0.2 0.5 1; do python main.py --config=configs/jft.py:runlocal --workdir=runs/jft/$share \
      --config.data.sources.quickstart.fraction=$share; done
    python main.py --job=scaling runs/jft/* --config.scaling.figure=image_retrieval/val/mean_average_precision

The labels of JFT are noisy as they are. The bundled ones are not, so a fifth of them is made wrong
(`data.labels.tags.noise`), which is about the paper's share. Of your own data set it to 0. The paper's tower is a
ResNet-101.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import evaluate_images
from configs.tagging import LABELS

METHODS = [
    {
        "paper": "JFT: Revisiting Unreasonable Effectiveness of Data in Deep Learning Era",
        "arxiv": "1707.02968",
        "family": "supervised",
        "check": "tests/input_pipeline/test_label_fields.py::"
        "test_planted_mistakes_are_as_many_as_asked_for_and_the_same_every_time",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    config = clip.get_config(argument)
    config.name = config.name.replace("clip", "jft")
    config.data.labels = {"tags": {"path": LABELS, "of": "tags", "noise": 0.2}}
    config.objectives.contrastive.weight = 0.0
    config.objectives.classification.update(weight=1.0, labels="tags_ids", classes=210, bias=-4.0)
    evaluate_images(config, every=config.evaluators.retrieval.every)
    return config
