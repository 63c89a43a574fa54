"""SemDeDup on the bundled pairs with near-copies of a tenth of them, and as many pairs by chance."""

from pathlib import Path

from benchmarks.claims import Claim, job, make, train
from benchmarks.claims._shared import CURATED, embedded_with
from benchmarks.claims.deduplicate import COPIED, SOURCE

CONFIG = "--config=configs/curate/semdedup.py"
FIRST = train(SOURCE, seed=0, copied=COPIED)
CLUSTERS = job(
    *("cluster", CONFIG, SOURCE, "--checkpoint={first}", "--output={folder}", "--config.cluster.k=64"),
    first=FIRST,
    copied=COPIED,
)
KEPT = job(
    *("curate", CONFIG, SOURCE, "--output={folder}", "--config.curate.embeddings={embedded}"),
    *("--config.curation.semdedup.clusters={clusters}", "--config.curation.semdedup.distance=0.02"),
    copied=COPIED,
    clusters=CLUSTERS,
    embedded=embedded_with(CONFIG, FIRST, SOURCE, copied=COPIED),
)


def by_chance(folder: Path, curated: Path, copied: Path) -> None:
    """Writes the ids of a random subset of all pairs and copies, as many as a curation has kept."""
    import numpy as np
    import pyarrow.parquet as pq

    ids = pq.read_table(copied / "train.parquet", columns=["id"]).column("id").to_pylist()
    count = len((curated / "kept.txt").read_text().split("\n")) - 1
    chosen = np.random.default_rng(0).choice(len(ids), count, replace=False)
    (folder / "kept.txt").write_text("".join(f"{ids[place]}\n" for place in sorted(chosen)))


CLAIM = Claim(
    title="SemDeDup: training without what is nearly the same",
    arxiv="2303.09540",
    says="half of LAION goes with little loss, and does better than a random half; out of distribution it gains",
    arms={
        "as many by chance": train(
            SOURCE, CURATED, copied=COPIED, kept=make(by_chance, curated=KEPT, copied=COPIED)
        ),
        "without near-duplicates": train(SOURCE, CURATED, copied=COPIED, kept=KEPT),
        "a tenth of the pictures ten times": train(SOURCE, copied=COPIED),
    },
)
