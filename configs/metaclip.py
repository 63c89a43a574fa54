"""MetaCLIP (Xu et al., 2023, arXiv 2309.16671): CLIP on pairs that are balanced in the stream, anew in every epoch.

    python main.py --job=curate --config=configs/curate/metaclip.py --output=runs/curated/metaclip
    python main.py --config=configs/metaclip.py:model=vit_b32,resolution=224,curated=runs/curated/metaclip
    python main.py --config=configs/metaclip.py:runlocal

The curation leaves how likely each record is to be kept, and an epoch has it with that probability: its online form.
Balanced once instead, the same for all epochs, is `--config.data.sources.NAME.keep_ids=CURATED/kept.txt`. Without
`curated` it is the recipe alone: CLIP's, for the 12.8 billion pairs that the paper has all its models see.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import parse_arg, shrink

METHODS = [
    {
        "paper": "MetaCLIP: Demystifying CLIP Data (online, in the stream)",
        "arxiv": "2309.16671",
        "family": "data",
        "before": (
            "--job=curate --config=configs/curate/metaclip.py --config.curation.balance.t=20 "
            "--output=runs/methods/metaclip_balanced",
        ),
        "argument": "runlocal,curated=runs/methods/metaclip_balanced",
        "check": "tests/input_pipeline/test_thinned.py::"
        "test_a_record_comes_once_an_epoch_at_most_and_with_its_probability",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b32", resolution=224, curated="", runlocal=False)
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution}")
    config.name = config.name.replace("clip", "metaclip")
    config.update(batch_size=32_768, steps=390_625)
    if arg.curated:
        ((name, source),) = config.data.sources.items()
        table = {"keep_probability": f"{arg.curated}/scores.parquet"}
        config.data.sources = {name: {**source.to_dict(), **table}}
    if arg.runlocal:
        shrink(config)
    return config
