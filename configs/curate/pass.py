"""PASS (Asano et al., 2021, arXiv 2109.13228): pictures with a licence and a creator to name, and nobody in them.

    python main.py --job=curate --config=configs/curate/pass.py --output=runs/curated/pass

The paper found people by detectors and by hand; here tags say who is shown. A score of your own, as a column, goes
through `--config.curation.people.of=COLUMN` and `within`.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base
from configs.common import quickstart_source

METHODS = [
    {
        "paper": "PASS: An ImageNet replacement for self-supervised pretraining without humans",
        "arxiv": "2109.13228",
        "family": "data",
        "flags": "--output=runs/methods/pass",
        "check": "tests/jobs/test_curate_job.py::test_pass_keeps_what_has_a_licence_and_a_creator_and_no_people",
    },
]

LICENCES = ("CC-BY-3.0", "CC-BY-3.0-US", "CC-BY-4.0", "CC0-1.0")
PEOPLE = (
    *("people", "person", "human", "man", "woman", "male", "female", "boy", "girl", "child", "baby"),
    *("adult", "family", "face", "hand", "body"),
)


def get_config() -> ConfigDict:
    config = base.get_config()
    config.name = "pass"
    source = quickstart_source("train")
    columns = {**source["columns"], "extras": "license,creator"}
    config.data.sources = {"quickstart": {**source, "columns": columns}}
    config.curate.steps = ("licence", "people", "attribution")
    config.curation.licence = {"kind": "where", "of": "license", "any_of": LICENCES}
    config.curation.people = {"kind": "where", "of": "tags", "none_of": PEOPLE}
    return config
