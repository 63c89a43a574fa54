"""DataComp's filters by name (Gadre et al., 2023, arXiv 2304.14108): basic, text, image, laion.

    python main.py --job=curate --config=configs/curate/datacomp.py:filter=basic --output=runs/curated/basic
    python main.py --job=curate --config=configs/curate/datacomp.py:filter=text --output=runs/curated/text \
        --config.curation.match.entries=imagenet_names.txt
    python main.py --job=cluster --checkpoint=CLIP --config=configs/curate/datacomp.py --output=runs/clusters
    python main.py --job=embed --checkpoint=CLIP --config=configs/curate/datacomp.py:filter=image --output=runs/embedded
    python main.py --job=curate --config=configs/curate/datacomp.py:filter=image --output=runs/curated/image \
        --config.curate.embeddings=runs/embedded --config.curation.near_classes.clusters=runs/clusters

`image` keeps clusters (--job=cluster, 100,000 in the paper) that images of known classes are in, and `best` what
`image` and the best 30 % by CLIP score have in common, the paper's best. Its English is fastText's; here it is what the
source says of its captions' languages, or the share of a text's letters that are a to z. The bundled drawings have 64
pixels and titles of a word or two.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base
from configs.common import parse_arg

METHODS = [
    {
        "paper": "DataComp: In search of the next generation of multimodal datasets",
        "arxiv": "2304.14108",
        "family": "data",
        "flags": "--config.curation.basic_filter.side_least=0 --output=runs/methods/datacomp_basic",
        "check": "tests/input_pipeline/test_curation_basic_filter.py::"
        "test_each_rule_of_the_basic_filter_drops_what_breaks_it_alone",
    },
]

FILTERS = {
    "basic": ("basic_filter",),
    "text": ("english", "match"),
    "image": ("near_classes",),
    "laion": ("english", "clip_score"),
    "best": ("near_classes", "clip_score"),
}


def get_config(argument: str = "") -> ConfigDict:
    chosen = parse_arg(argument, filter="basic").filter
    if chosen not in FILTERS:
        raise ValueError(f"filter={chosen} is not one of {', '.join(FILTERS)}")
    config = base.get_config()
    config.name = f"datacomp_{chosen}"
    config.embed.feature = "both"
    config.curate.steps = FILTERS[chosen]
    if "near_classes" in FILTERS[chosen]:
        config.embed.sets = ("quickstart", config.curation.near_classes.classes)
    config.curation.basic_filter.latin = 0.9
    config.curation.english = {
        "kind": "basic_filter",
        "latin": 0.9,
        "words_above": 0,
        "characters_above": 0,
        "side_least": 0,
        "aspect_most": 0.0,
    }
    config.curation.clip_score.keep = 0.3 if chosen == "best" else 0.0
    return config
