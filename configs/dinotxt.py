"""dino.txt (Jose et al., 2024, arXiv 2412.16334): a held image tower, and what learns behind it beside the texts.

    python main.py --config=configs/dinotxt.py:model=vit_b16,start=WORKDIR             # of a run, or an import
    python main.py --config=configs/dinotxt.py:model=vit_b16,blocks=0,start=WORKDIR    # a projection alone learns
    python main.py --config=configs/dinotxt.py:runlocal      # without a trained tower nothing is learned

Behind the tower that `configs/lit.py` holds stand two blocks, which are read by their class token and the mean over
their patches together (section 3.1). `model=quickstart` is for the bundled pairs: docs/interop.md has it with
ImageNet's weights.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import lit, quickstart
from configs.common import parse_arg, start_from

METHODS = [
    {
        "paper": "dino.txt: DINOv2 Meets Text: A Unified Framework for Image- and Pixel-Level Vision-Language "
        "Alignment",
        "arxiv": "2412.16334",
        "family": "contrastive",
        "check": "tests/interop/test_locked_towers.py::test_each_form_trains_what_it_says",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", resolution=224, runlocal=False, blocks=2, start="")
    size = f"model={arg.model},resolution={arg.resolution},runlocal={arg.runlocal}"
    small = f"runlocal={arg.runlocal},plain=True"
    config = quickstart.get_config(small) if arg.model == "quickstart" else lit.get_config(size)
    config.name = f"dinotxt_{arg.blocks}_{arg.model}_{arg.resolution}"
    config.optimizer.learning_rate_rules = "^model/image/top/ = 1; " * (arg.blocks > 0) + "^model/image/ = 0"
    embed_dim = config.model.embed_dim
    start_from(config, arg.start, ("image",), new="^model/image(/top/|/pool$|_projection/)")
    config.model.embed_dim, config.model.image.projection = embed_dim, ""  # a new one, whatever the tower had
    if arg.blocks:
        config.model.image.update(pool="class_mean", top_blocks=arg.blocks)
    config.data.stored.project = not arg.blocks
    return config
