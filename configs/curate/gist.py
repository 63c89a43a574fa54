"""GIST (Lewis et al., 2023, arXiv 2307.11315): each image with the descriptions of its class that are nearest to it.

    python main.py --job=describe --output=runs/descriptions.json
    python main.py --job=embed --checkpoint=CLIP --config=configs/curate/gist.py --output=runs/embedded
    python main.py --job=curate --config=configs/curate/gist.py --config.curate.embeddings=runs/embedded \
        --output=runs/curated/gist
    python main.py --config=configs/gist.py:curated=runs/curated/gist,start=CLIP

The descriptions are sentences by label: a language model's in the paper, by default made of tags by --job=describe. The
best five are the paper's; the released default is one.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base

METHODS = [
    {
        "paper": "GIST: Generating Image-Specific Text for Fine-grained Object Classification (its matching)",
        "arxiv": "2307.11315",
        "family": "data",
        "before": (
            "--config=configs/quickstart.py:runlocal --workdir=runs/methods/first",
            "--job=describe --output=runs/descriptions.json",
            "--job=embed --checkpoint=runs/methods/first --config=configs/curate/gist.py "
            "--config.data.sources.quickstart.path=data/quickstart/val.parquet --output=runs/methods/gist_embedded",
        ),
        "flags": "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
        "--config.curate.embeddings=runs/methods/gist_embedded --output=runs/methods/gist",
        "check": "tests/curation/test_match_captions.py::test_a_text_is_of_the_own_class_and_the_nearest_first",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "gist_captions"
    config.embed.feature = "both"
    config.curate.steps = ("match_captions",)
    return config
