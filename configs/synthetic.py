"""Scaling laws of synthetic images (Fan et al., 2023, arXiv 2312.04567): real and synthetic pairs in shares.

    python main.py --config=configs/synthetic.py:model=vit_b16,resolution=224
    python main.py --config=configs/synthetic.py:runlocal

Three sources, each named for what it is: real pairs, the same pairs in other colours and textures (`rerendered`), and
procedural pictures with their names (`fractals`). Pictures of a diffusion model are one more source, of any format. How
fast what grows with each of them is asked by runs of one source in several sizes, fitted by `--job=scaling`:

    --config.data.sources.fractals.weight=0 --config.data.sources.rerendered.weight=0 \
      --config.data.sources.quickstart.fraction=0.1
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import quickstart_source

METHODS = [
    {
        "paper": "Scaling Laws of Synthetic Images for Model Training ... for Now",
        "arxiv": "2312.04567",
        "family": "data",
        "check": "tests/input_pipeline/test_mixture.py::test_realised_shares_are_those_of_the_weights",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg, config = clip.parse(argument), clip.get_config(argument)
    config.name = config.name.replace("clip", "synthetic")
    classes, images = (100, 1000) if arg.runlocal else (1000, 1_000_000)
    path = f"classes={classes},images={images},side={config.model.image.resolution}"
    config.data.sources = {
        "quickstart": quickstart_source("train", weight=0.5),
        "rerendered": {**quickstart_source("train", weight=0.3), "format": "rerendered"},
        "fractals": {"format": "fractals", "path": path, "weight": 0.2},
    }
    return config
