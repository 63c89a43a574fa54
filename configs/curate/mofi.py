"""MOFI's entities (Wu et al., 2023, arXiv 2306.07952): of those that a text mentions, the one that the image shows.

    python main.py --job=describe --config=configs/curate/mofi.py --output=runs/descriptions.json
    python main.py --job=embed --checkpoint=CLIP --config=configs/curate/mofi.py --output=runs/embedded
    python main.py --job=curate --config=configs/curate/mofi.py --config.curate.embeddings=runs/embedded \
        --output=runs/curated/mofi
    python main.py --config=configs/mofi.py:curated=runs/curated/mofi

The gazetteer is a file of {name, aliases, description}, Wikidata's in the paper; by default the concepts of the bundled
drawings, described by their tags. The paper leaves out entities of fewer than five images.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base
from configs.common import quickstart_source

METHODS = [
    {
        "paper": "MOFI: Learning Image Representations from Noisy Entity Annotated Images (its entities)",
        "arxiv": "2306.07952",
        "family": "data",
        "before": (
            "--config=configs/quickstart.py:runlocal --workdir=runs/methods/first",
            "--job=describe --config=configs/curate/mofi.py "
            "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
            "--output=runs/descriptions.json",
            "--job=embed --checkpoint=runs/methods/first --config=configs/curate/mofi.py "
            "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
            "--output=runs/methods/mofi_embedded",
        ),
        "flags": "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
        "--config.curate.embeddings=runs/methods/mofi_embedded "
        "--config.curation.entities.threshold=-1 --output=runs/methods/mofi_entities",
        "check": "tests/curation/test_entities.py::test_the_nearest_of_the_mentioned_entities_is_taken",
    },
]


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "mofi_entities"
    source = quickstart_source("train")
    config.data.sources = {"quickstart": {**source, "columns": {**source["columns"], "label": "concept"}}}
    config.describe.update(labels="verbatim", tags=4, templates=("{attribute}",))
    config.embed.feature = "both"
    config.curate.steps = ("entities",)
    return config
