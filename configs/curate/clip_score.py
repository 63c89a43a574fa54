"""CLIP-score filtering: the pairs whose image and text are nearest (DataComp: the best 30 % by CLIP ViT-L/14).

    python main.py --job=embed --checkpoint=CLIP --config=configs/curate/clip_score.py --output=runs/embedded
    python main.py --job=curate --config=configs/curate/clip_score.py --config.curate.embeddings=runs/embedded \
        --output=runs/curated/clip_score

CLIP is a run's workdir, or somebody else's checkpoint by --job=import. A threshold in the place of the share, as
LAION's 0.28 by CLIP ViT-B/32: `--config.curation.clip_score.keep=0 --config.curation.clip_score.threshold=0.28`.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base

METHODS = [
    {
        "paper": "CLIP-score filtering, as LAION-400M and DataComp have it",
        "arxiv": "2111.02114",
        "family": "data",
        "before": (
            "--config=configs/quickstart.py:runlocal --workdir=runs/methods/first",
            "--job=embed --checkpoint=runs/methods/first --config=configs/curate/clip_score.py "
            "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
            "--output=runs/methods/clip_score_embedded",
        ),
        "flags": "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
        "--config.curate.embeddings=runs/methods/clip_score_embedded --output=runs/methods/clip_score",
        "check": "tests/curation/test_clip_score.py::test_the_best_share_stays_and_equals_stay_together",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "clip_score"
    config.embed.feature = "both"
    config.curate.steps = ("clip_score",)
    config.curation.clip_score.keep = 0.3
    return config
