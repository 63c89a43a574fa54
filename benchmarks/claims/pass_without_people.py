"""Pictures without people against as many at random: the tags' choice of configs/curate/pass.py, licences aside."""

from benchmarks.claims import Claim, job
from benchmarks.claims._shared import subsets

CURATION = job(
    "curate", "--config=configs/curate/pass.py", "--config.curate.steps=('people',)", "--output={folder}"
)
CLAIM = Claim(
    title="PASS: pretraining without pictures of people",
    arxiv="2109.13228",
    says="pretraining (there without texts) transfers about as well as with people in the pictures, even to tasks "
    "about people",
    arms=subsets("without people", CURATION),
)
