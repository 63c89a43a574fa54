"""MOFI (Wu et al., 2023, arXiv 2306.07952): entities as classes, and images against the names of their entities.

    python main.py --config=configs/mofi.py:model=vit_b16,resolution=224
    python main.py --config=configs/mofi.py:runlocal

    python main.py --config=configs/mofi.py:curated=runs/curated/mofi

configs/curate/mofi.py makes what `curated` is: the entity of each image that its text mentions and that a model finds
nearest to it, with number, name and description. Without it, entities are the concepts of the bundled drawings, by name
alone. The paper's final model does both, as here; either alone is the other's weight at 0. Two million entities are
the paper's; half a million negatives a step, equal weights, and scale and margin of the classification are unverified.
"""

from __future__ import annotations

import json
from pathlib import Path

from ml_collections import ConfigDict

from configs import clip
from configs.common import parse_arg, quickstart_table, use_curated

METHODS = [
    {
        "paper": "MOFI: Learning Image Representations from Noisy Entity Annotated Images",
        "arxiv": "2306.07952",
        "family": "supervised",
        "check": "tests/objectives/test_discrimination.py::"
        "test_sampled_negatives_keep_every_positive_and_cost_nothing_elsewhere",
    },
    {
        "paper": "MOFI: Learning Image Representations from Noisy Entity Annotated Images (names and descriptions)",
        "arxiv": "2306.07952",
        "family": "supervised",
        "before": (
            "--config=configs/quickstart.py:runlocal --workdir=runs/methods/first",
            "--job=describe --config=configs/curate/mofi.py "
            "--config.data.sources.quickstart.path=data/quickstart/val.parquet --output=runs/descriptions.json",
            "--job=embed --checkpoint=runs/methods/first --config=configs/curate/mofi.py "
            "--config.data.sources.quickstart.path=data/quickstart/val.parquet --output=runs/methods/mofi_embedded",
            "--job=curate --config=configs/curate/mofi.py "
            "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
            "--config.curate.embeddings=runs/methods/mofi_embedded --config.curation.entities.threshold=-1 "
            "--output=runs/methods/mofi_entities",
        ),
        "argument": "runlocal,curated=runs/methods/mofi_entities",
        "flags": "--config.data.sources.quickstart.path=data/quickstart/val.parquet",
        "check": "tests/curation/test_entities.py::test_the_nearest_of_the_mentioned_entities_is_taken",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", resolution=224, curated="", runlocal=False)
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution},runlocal={arg.runlocal}")
    config.name = config.name.replace("clip", "mofi")
    config.objectives.contrastive.targets = "text"  # two images of one entity are no negatives of each other
    config.objectives.discrimination.update(
        weight=1.0, kernel="softmax", labels="entity_id", classes=2_000_000, rate=0.25, margin_kind="cosine"
    )
    config.objectives.discrimination.update(scale=14.3, margin=0.0)
    if arg.curated:
        use_curated(config, arg.curated, "entity")
        config.data.tables = {
            "entity_id": {"path": f"{arg.curated}/scores.parquet", "column": "entities_entity_id"}
        }
        entities = Path(arg.curated, "entities.json")
        if entities.is_file():  # else there is no table either, which the run says
            config.objectives.discrimination.classes = len(json.loads(entities.read_text(encoding="utf-8")))
        return config
    config.data.text.update(label_share=1.0, templates=("{}",))
    config.data.sources.quickstart.columns.label = "concept"
    config.data.tables = {"entity_id": quickstart_table("entities")}
    if arg.runlocal:
        config.objectives.discrimination.classes = 2010
    return config
