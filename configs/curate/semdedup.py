"""SemDeDup (Abbas et al., 2023, arXiv 2303.09540): within clusters of embeddings, images that are near another go.

    python main.py --job=cluster --checkpoint=CLIP --config=configs/curate/semdedup.py --output=runs/clusters
    python main.py --job=embed --checkpoint=CLIP --config=configs/curate/semdedup.py --output=runs/embedded
    python main.py --job=curate --config=configs/curate/semdedup.py --config.curate.embeddings=runs/embedded \
        --config.curation.semdedup.clusters=runs/clusters --output=runs/curated/semdedup

The paper clusters LAION-440M by CLIP ViT-L/14 into 50,000, and chooses epsilon by how much is to stay.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base

METHODS = [
    {
        "paper": "SemDeDup: Data-efficient learning at web-scale through semantic deduplication",
        "arxiv": "2303.09540",
        "family": "data",
        "before": (
            "--config=configs/quickstart.py:runlocal --workdir=runs/methods/first",
            "--job=cluster --checkpoint=runs/methods/first --config=configs/curate/semdedup.py "
            "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
            "--config.cluster.k=8 --output=runs/methods/semdedup_clusters",
            "--job=embed --checkpoint=runs/methods/first --config=configs/curate/semdedup.py "
            "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
            "--output=runs/methods/semdedup_embedded",
        ),
        "flags": "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
        "--config.curate.embeddings=runs/methods/semdedup_embedded "
        "--config.curation.semdedup.clusters=runs/methods/semdedup_clusters --output=runs/methods/semdedup",
        "check": "tests/curation/test_semdedup.py::test_what_is_near_an_earlier_one_of_its_cluster_goes",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "semdedup"
    config.embed.feature = "image"
    config.cluster.k = 50_000
    config.curate.steps = ("semdedup",)
    return config
