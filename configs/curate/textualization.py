"""Image Textualization (Pi et al., 2024, arXiv 2406.07502): captions without what is not there, with what is.

    python main.py --job=labels --output=runs/tags.json --config.labels.of=tags
    python main.py --job=embed --checkpoint=CLIP --config=configs/curate/textualization.py --output=runs/embedded
    python main.py --job=curate --config=configs/curate/textualization.py:regions=regions.jsonl \
        --config.curate.embeddings=runs/embedded --output=runs/curated/textualization

A mention of one of the nouns stands if the image is near it, or a region says it. Regions are a detector's or dense
captioner's file of {id, box, text}; without one, tags are added in their place, as in configs/curate/fusecap.py.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base
from configs.common import parse_arg

METHODS = [
    {
        "paper": "Image Textualization: An Automatic Framework for Creating Accurate and "
        "Detailed Image Descriptions",
        "arxiv": "2406.07502",
        "family": "data",
        "before": (
            "--config=configs/quickstart.py:runlocal --workdir=runs/methods/first",
            "--job=labels --output=runs/tags.json --config.labels.of=tags "
            "--config.data.sources.quickstart.path=data/quickstart/val.parquet",
            "--job=embed --checkpoint=runs/methods/first --config=configs/curate/textualization.py "
            "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
            "--output=runs/methods/textualization_embedded",
        ),
        "flags": "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
        "--config.curate.embeddings=runs/methods/textualization_embedded "
        "--output=runs/methods/textualization",
        "check": "tests/curation/test_verify_nouns.py::test_planted_nouns_go_and_true_ones_stay",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    regions = parse_arg(argument, regions="").regions
    config = base.get_config()
    config.name = "textualization"
    config.embed.feature = "both"
    config.curate.steps = ("verify_nouns", "add_regions" if regions else "fuse_captions")
    config.curation.verify_nouns.update(kinds=("keywords",), regions=regions)
    config.curation.add_regions.update(kinds=("verified",), regions=regions or "regions.jsonl")
    config.curation.fuse_captions.kinds = ("verified",)
    return config
