"""DenseCLIP (Rao et al., 2021, arXiv 2112.01518): a CLIP tuned so that its patches tell the classes of what they show.

    python main.py --config=configs/denseclip.py:model=vit_b16,resolution=224,start=WORKDIR
    python main.py --config=configs/denseclip.py:runlocal

Class names have a learned context and a little of what a decoder sees of the image; every cell that a labelled region
covers has to tell its class. Here regions are those of collages. The paper's segmentation decoder behind the score
maps is not here: this is its auxiliary loss, and the maps are what is measured.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import CATEGORIES, name_regions, parse_arg, use_collages

METHODS = [
    {
        "paper": "DenseCLIP: Language-Guided Dense Prediction with Context-Aware Prompting",
        "arxiv": "2112.01518",
        "family": "supervised",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]
CONTEXT = 8


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", resolution=224, start="", runlocal=False)
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution},runlocal={arg.runlocal}")
    config.name = config.name.replace("clip", "denseclip")
    use_collages(config)
    name_regions(config)
    config.data.texts = {"classes": {"path": CATEGORIES, "templates": ("{}.",)}}
    config.model.text.context = CONTEXT
    config.objectives.contrastive.weight = 0.0
    config.objectives.pixel_texts.weight = 1.0
    config.checkpoint.start = arg.start
    if arg.start:
        config.checkpoint.start_new = "^model/text/context/"
        config.optimizer.learning_rate_rules = (
            "^model/text/context/ = 1; ^model/text = 0; ^model/image = 0.1; .* = 1"
        )
    evaluate_maps(config, "pixel_texts/scorer")
    if arg.runlocal:
        config.objectives.pixel_texts.update(width=32, depth=1, heads=2, mlp_dim=64)
    else:
        config.update(batch_size=32, steps=80_000)
        config.optimizer.update(learning_rate=1e-4, weight_decay=1e-4)
    return config


def evaluate_maps(config: ConfigDict, scorer: str) -> None:
    """Measures score maps on collages, in the place of retrieval and classification."""
    for name in ("retrieval", "zero_shot"):
        config.evaluators[name].update(every=0, final=False)
    config.evaluators.segmentation.update(final=True, sets=("collages",), scorer=scorer, templates="named")
