"""A balanced subset against a random one: configs/curate/metaclip.py."""

from benchmarks.claims import FIGURES, Claim, Figure, job
from benchmarks.claims._figures import rare_tag_map
from benchmarks.claims._shared import subsets

# Entries that 20 captions have: of rarer ones, nearly every picture has one, and nothing would be left out.
CURATION = job(
    *(
        "curate",
        "--config=configs/curate/metaclip.py",
        "--output={folder}",
        "--config.curation.match.least=20",
    )
)
CLAIM = Claim(
    title="MetaCLIP: a balanced subset",
    arxiv="2309.16671",
    says="data in which no entry is more frequent than about t give better models than as many pairs of the raw pool",
    arms=subsets("balanced", CURATION),
    figures={**FIGURES, "mAP of rare tags": Figure(rare_tag_map)},
)
