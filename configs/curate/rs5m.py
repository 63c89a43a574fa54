"""RS5M's chain (Zhang et al., 2023, arXiv 2306.11300): keywords, duplicates, a score, and the best of several captions.

    python main.py --job=embed --checkpoint=CLIP --config=configs/curate/rs5m.py --output=runs/embedded
    python main.py --job=curate --config=configs/curate/rs5m.py --config.curate.embeddings=runs/embedded \
        --output=runs/curated/rs5m

The paper looks for words of remote sensing in captions (`match` with a file of entries) and ranks a captioner's
candidates, which come as `data.sources.NAME.captions_by_id`; here tags say what a drawing is about, and the candidates
are the captions that it has.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base

METHODS = [
    {
        "paper": "RS5M and GeoRSCLIP: A Large Scale Vision-Language Dataset for Remote Sensing "
        "(its chain of filters)",
        "arxiv": "2306.11300",
        "family": "data",
        "before": (
            "--config=configs/quickstart.py:runlocal --workdir=runs/methods/first",
            "--job=embed --checkpoint=runs/methods/first --config=configs/curate/rs5m.py "
            "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
            "--output=runs/methods/rs5m_embedded",
        ),
        "flags": "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
        "--config.curate.embeddings=runs/methods/rs5m_embedded --output=runs/methods/rs5m",
        "check": "tests/curation/test_best_captions.py::test_the_chain_is_the_composition_of_its_steps",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "rs5m"
    config.embed.feature = "both"
    config.curate.steps = ("keywords", "deduplicate", "clip_score", "best_captions")
    config.curation.keywords = {
        "kind": "where",
        "of": "tags",
        "any_of": ("animal", "plant", "nature", "weather", "food"),
    }
    config.curation.clip_score.update(keep=0.8, of="best")
    return config
