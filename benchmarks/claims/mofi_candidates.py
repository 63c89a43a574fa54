"""Which entity a picture shows, of those that its keywords mention: by a model, or the longest name."""

from pathlib import Path

from benchmarks.claims import Claim, Figure, Step, job
from benchmarks.claims._shared import CLIP, embedded_with

CONFIG = "--config=configs/curate/mofi.py"
GAZETTEER = "--config.curation.entities.gazetteer={described}/descriptions.json"
DESCRIBED = job("describe", CONFIG, "--output={folder}/descriptions.json")
EMBEDDED = embedded_with(CONFIG, CLIP, GAZETTEER, described=DESCRIBED)


def chosen(choice: str) -> Step:
    """Returns the entities as they are chosen in one of two ways."""
    return job(
        *("curate", CONFIG, GAZETTEER, "--output={folder}", "--config.curate.embeddings={embedded}"),
        *("--config.curation.entities.threshold=-1", "--config.curation.entities.kinds=('keywords',)"),
        f"--config.curation.entities.choice={choice}",
        described=DESCRIBED,
        embedded=EMBEDDED,
    )


def right(folder: Path) -> float:
    """Returns the share of pictures with several candidates whose entity is the concept that they show."""
    import pyarrow.parquet as pq

    data = pq.read_table("data/quickstart/train.parquet", columns=["id", "concept"]).to_pylist()
    concepts = {row["id"]: row["concept"] for row in data}
    rows = pq.read_table(folder / "scores.parquet").to_pylist()
    several = [row for row in rows if (row["entities_candidates"] or 0) > 1]
    return sum(row["entities_entity"] == concepts[row["id"]] for row in several) / len(several)


CLAIM = Claim(
    title="MOFI: which entity a picture shows",
    arxiv="2306.07952",
    says="of the entities that a text mentions, CLIP finds the one that the image is about",
    arms={"the longest name": chosen("first"), "the nearest to the image": chosen("nearest")},
    figures={"entity is the concept": Figure(right)},
)
