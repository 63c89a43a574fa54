"""UniCL (Yang et al., 2022, arXiv 2204.03610): captions and class labels in one contrast.

    python main.py --config=configs/unicl.py:model=vit_b16,resolution=224
    python main.py --config=configs/unicl.py:runlocal

A label becomes a sentence by a template; images of one label, and captions of the same text, are no negatives of each
other. The two sources here show the same bundled images once by their captions and once by their labels; put your own
into `data.sources`. The published code starts the scale at e and clamps nothing.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import quickstart_labels, quickstart_source

METHODS = [
    {
        "paper": "UniCL: Unified Contrastive Learning in Image-Text-Label Space",
        "arxiv": "2204.03610",
        "family": "contrastive",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    config = clip.get_config(argument)
    config.name = config.name.replace("clip", "unicl")
    config.objectives.contrastive.targets = "label"
    config.model.logit_scale.init = 2.71828
    config.optimizer.update(weight_decay=0.1, clip_norm=5.0)
    captions = quickstart_source("train")
    # A captioned pair is a class of its own, but for equal texts: labels are those of the other source alone.
    captions["columns"] = {**captions["columns"], "label": ""}
    config.data.sources = {"captions": captions, "labels": quickstart_labels("train")}
    return config
