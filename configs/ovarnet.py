"""OvarNet (Chen et al., 2023, arXiv 2301.09506): attributes that few have looked at, of images and of regions.

    python main.py --config=configs/ovarnet.py:model=vit_b16,resolution=224,start=WORKDIR
    python main.py --config=configs/ovarnet.py:runlocal

What is known of an attribute weighs by how rare it is, what is not a tenth, as denied; names have a learned context. At
once, not in a second stage, a head over the grid learns from the tower's own view of each region's crop. Here
attributes are tags, some of them verified, and regions those of collages, which are in the same batches. A detector
that proposes boxes is not here: the part `federated_tags/regions` scores those that are given.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip, tagging
from configs.common import CATEGORIES, parse_arg, quickstart_source, use_collages

METHODS = [
    {
        "paper": "OvarNet: Towards Open-vocabulary Object Attribute Recognition",
        "arxiv": "2301.09506",
        "family": "supervised",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", resolution=224, start="", runlocal=False)
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution},runlocal={arg.runlocal}")
    config.name = config.name.replace("clip", "ovarnet")
    use_collages(config)
    config.data.sources = {**config.data.sources.to_dict(), "quickstart": quickstart_source("train")}
    verified = "data/quickstart/tables/verified.parquet"
    config.data.labels = {"tags": {"path": tagging.LABELS, "of": "tags", "verified": verified}}
    config.data.texts = {
        "tags": {"path": tagging.LABELS, "labels": "verbatim", "templates": ("{}.",)},
        "classes": {"path": CATEGORIES, "templates": ("{}.",)},
    }
    config.model.text.context = 4
    config.objectives.contrastive.weight = 0.0
    config.objectives.federated_tags.update(weight=1.0, distil_weight=1.0)
    config.checkpoint.start = arg.start
    if arg.start:
        config.checkpoint.start_new = "^model/text/context/"
        config.optimizer.learning_rate_rules = "^model/text/context/ = 1; ^model/text = 0; .* = 1"
    for name in ("retrieval", "zero_shot"):
        config.evaluators[name].update(every=0, final=False)
    scorer = {"kind": "multi_label", "scorer": "federated_tags/scorer", "templates": "named"}
    config.evaluators.tags = {**scorer, "final": True, "sets": ("val_vendor",)}
    if arg.runlocal:
        config.objectives.federated_tags.update(samples=3, hidden=32)
    else:
        config.update(batch_size=256, steps=100_000)
    return config
