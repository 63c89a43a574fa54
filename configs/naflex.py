"""NaFlex of SigLIP 2 (Tschannen et al., 2025, arXiv 2502.14786, section 2.4.2): native aspect ratio, several lengths.

    python main.py --config=configs/naflex.py:model=vit_b16
    python main.py --config=configs/naflex.py:runlocal

Every image keeps its aspect ratio and becomes at most so many patches, padded to that number, which each batch draws
from `data.image.budgets`: one program for each. Positions are learned for a square grid and resampled for each image's
own. The published towers are pretrained SigLIP 2 ones, whose last tenth of the training goes on in this form, without
decoder and self-distillation: start from such a tower by `--config.checkpoint.start`. Published: lengths from 128, 256,
576, 784 and 1024, B/16 and So400m/16 with positions for 16 x 16 patches. Not verified: that lengths are drawn for whole
batches.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import siglip
from configs.common import parse_arg
from configs.settings.towers import naflex

METHODS = [
    {
        "paper": "SigLIP 2: NaFlex, one model for several sequence lengths and native aspect ratios (section 2.4.2)",
        "arxiv": "2502.14786",
        "family": "contrastive",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", runlocal=False)
    config = siglip.get_config(f"model={arg.model},resolution=256,runlocal={arg.runlocal}")
    config.name = f"naflex_{arg.model}"
    image = config.model.image
    image.update(kind="naflex", patch_dropout=0.0, patches=1024)
    config.data.image.budgets = (128, 256, 576, 784, 1024)
    if arg.runlocal:
        image.update(naflex.fitted(image))
        config.data.image.budgets = (16, 25, 36)
        return config
    image.resolution = 16 * image.patch_size
    return config
