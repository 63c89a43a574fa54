"""Steps that several claims begin with."""

from __future__ import annotations

from pathlib import Path

from benchmarks.claims import Step, job, make, on, train

CLIP = train()
# 256 clusters of the image embeddings of a CLIP run, with the 16 nearest of each image.
CLUSTERS = job(
    *("cluster", "--checkpoint={first}", "--output={folder}"),
    *("--config.cluster.k=256", "--config.cluster.nearest=16"),
    first=train(seed=0),
)


def nearest(folder: Path, clusters: Path, labels: int) -> None:
    """Writes a side table of the nearest clusters alone."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(clusters / "clusters.parquet")
    ids = [row[:labels] for row in table.column("cluster_ids").to_pylist()]
    own = {"id": table.column("id"), "cluster_ids": pa.array(ids, pa.list_(pa.int32()))}
    pq.write_table(pa.table(own), folder / "clusters.parquet")


# The pictures' 2,010 concepts as classes.
ENTITIES = (
    *on(
        "discrimination", kernel="softmax", labels="entity_id", classes=2010, rate=1.0, scale=16.0, margin=0.0
    ),
    "--config.data.tables={'entity_id': {'path': 'data/quickstart/tables/entities.parquet'}}",
)
CURATED = "--config.data.sources.quickstart.keep_ids={kept}/kept.txt"


def equally_many(folder: Path, curated: Path) -> None:
    """Writes the ids of a random subset of the bundled pairs, as many as a curation has kept."""
    import numpy as np
    import pyarrow.parquet as pq

    ids = pq.read_table("data/quickstart/train.parquet", columns=["id"]).column("id").to_pylist()
    count = len((curated / "kept.txt").read_text().split("\n")) - 1
    chosen = np.random.default_rng(0).choice(len(ids), count, replace=False)
    (folder / "kept.txt").write_text("".join(f"{ids[place]}\n" for place in sorted(chosen)))


def subsets(name: str, curated: Step) -> dict[str, Step]:
    """Returns CLIP on all pairs, on those that a curation keeps, and on a random subset of the same size."""
    return {
        "a random subset of that size": train(CURATED, kept=make(equally_many, curated=curated)),
        name: train(CURATED, kept=curated),
        "all pairs": CLIP,
    }


def embedded_with(config: str, model: Step, *flags: str, **needs: Step) -> Step:
    """Returns the embeddings that the steps of a curation go by, of a model's."""
    return job("embed", "--checkpoint={model}", config, "--output={folder}", *flags, model=model, **needs)


def mlcd(labels: int = 8, **settings: object) -> Step:
    """Returns CLIP with MLCD beside it, by the `labels` nearest clusters."""
    return train(
        *on("discrimination", 0.1, **{"classes": 256, "rate": 1.0, "scale": 16.0, **settings}),
        "--config.data.tables={'cluster_ids': {'path': '{labels}/clusters.parquet'}}",
        labels=make(nearest, clusters=CLUSTERS, labels=labels),
    )
