"""Less is More (Wolf et al., 2024, arXiv 2410.14524): one of the images of a group that are nearly equal.

    python main.py --job=curate --config=configs/curate/deduplicate.py --output=runs/curated/deduplicated
    python main.py --job=embed --checkpoint=CLIP --config=configs/curate/deduplicate.py:by=embeddings \
        --output=runs/embedded
    python main.py --job=curate --config=configs/curate/deduplicate.py:by=embeddings \
        --config.curate.embeddings=runs/embedded --output=runs/curated/deduplicated

By difference hashes, or by embeddings, in the place of the paper's deep features. Its groups are volumes of CT slices;
of the bundled pictures it is the concept that they show.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base
from configs.common import parse_arg

METHODS = [
    {
        "paper": "Less is More: Selective Reduction of CT Data for Self-Supervised Pre-Training of Deep Learning "
        "Models with Contrastive Learning Improves Downstream Classification Performance",
        "arxiv": "2410.14524",
        "family": "data",
        "flags": "--output=runs/methods/deduplicated",
        "check": "tests/input_pipeline/test_curation_steps.py::test_one_of_near_copies_stays_in_each_group",
    },
    {
        "paper": "Less is More: Selective Reduction of CT Data for Self-Supervised Pre-Training of Deep Learning "
        "Models with Contrastive Learning Improves Downstream Classification Performance (by embeddings)",
        "arxiv": "2410.14524",
        "family": "data",
        "argument": "by=embeddings",
        "before": (
            "--config=configs/quickstart.py:runlocal --workdir=runs/methods/first",
            "--job=embed --checkpoint=runs/methods/first --config=configs/curate/deduplicate.py:by=embeddings "
            "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
            "--output=runs/methods/near_embedded",
        ),
        "flags": "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
        "--config.curate.embeddings=runs/methods/near_embedded --output=runs/methods/near_images",
        "check": "tests/curation/test_near_images.py::test_blocks_find_what_all_pairs_at_once_say",
    },
]
STEPS = {"hash": "deduplicate", "embeddings": "near_images"}


def get_config(argument: str = "") -> ConfigDict:
    by = parse_arg(argument, by="hash").by
    if by not in STEPS:
        raise ValueError(f"by={by} is not one of {', '.join(STEPS)}")
    config = base.get_config()
    config.name = "deduplicate"
    config.embed.feature = "image"
    config.curate.steps = (STEPS[by],)
    config.curation[STEPS[by]].group = "group"
    return config
